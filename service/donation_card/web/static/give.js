/**
 * Enhance the giving page: the same form, answered in place. Without this file the form is posted and redirected.
 *
 * Five parts: the amount (text of the button, effect on the needs), the transfer (its amount and its code), the payment
 * (Stripe's page, mounted here), the thanks, and the card's frame. The card receives only `ready`, a height, `close` and `complete`; never an amount.
 */

/**
 * Return the element with this id, or throw.
 * @template {HTMLElement} T @param {string} id @param {new () => T} type @returns {T}
 */
const getElement = (id, type) => {
  const element = document.getElementById(id);
  if (element instanceof type) return element;
  throw new Error(`no ${type.name} #${id}`);
};

/** Return a field of a form by its name. @param {HTMLFormElement} form @param {string} name */
const getField = (form, name) => /** @type {HTMLInputElement} */ (form.elements.namedItem(name));

/** Wait. @param {number} seconds */
const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** Create a paragraph. @param {string} text */
const createParagraph = (text) => Object.assign(document.createElement('p'), { textContent: text });

// --- Stripe -------------------------------------------------------------------------------------------------------------

/**
 * Test an origin against a source of a CSP: `https://js.stripe.com`, or `https://*.js.stripe.com` for all its subdomains.
 * @param {string} origin @param {string} source
 */
const isOriginOf = (origin, source) => {
  const [scheme = '', domain] = source.split('*');
  return domain === undefined ? origin === source : origin.startsWith(scheme) && origin.endsWith(domain);
};

/**
 * Install the page's only Trusted Types policy (https://w3c.github.io/trusted-types/). It also applies to Stripe's script:
 * no text becomes HTML or script, and a script loads from the origins of Stripe's scripts or not at all. Stripe's script
 * loads others from subdomains: https://docs.stripe.com/security/guide#content-security-policy
 * @param {string[]} sources of the CSP
 */
const installTrustedTypesPolicy = (sources) => {
  window.trustedTypes?.createPolicy('default', {
    createScriptURL: (url) => {
      const { origin } = new URL(url, location.href);
      return sources.some((source) => isOriginOf(origin, source)) ? url : null;
    },
  });
};

/** @type {Promise<void> | undefined} */
let stripeLoaded;

/**
 * Load Stripe's script once. Call this only after an amount was submitted: the script sends requests to Stripe and sets
 * cookies as soon as it runs.
 * @param {string} url
 */
const loadStripe = (url) =>
  (stripeLoaded ??= new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = url;
    script.onload = () => resolve();
    script.onerror = () => reject(new Error('Stripe’s script was blocked'));
    setTimeout(() => reject(new Error('Stripe’s script did not load in time')), 20_000);
    document.head.append(script);
  }));

/**
 * Mount Stripe's payment page, unless the order is given up meanwhile: look after each await. Stripe allows one page at a time.
 * After one failed create, each later one of this document fails, so call `destroy` of the result before you mount another one.
 * @param {{publishableKey: string, scriptUrl: string, clientSecret: string, container: HTMLElement, onComplete: () => void, isWanted: () => boolean}} options
 * @returns {Promise<{destroy(): void} | undefined>} undefined if the order is given up
 */
const mountPayment = async ({ publishableKey, scriptUrl, clientSecret, container, onComplete, isWanted }) => {
  await loadStripe(scriptUrl).catch((error) => {
    stripeLoaded = undefined; // so that the next attempt loads it again
    throw error;
  });
  if (!isWanted()) return undefined;
  if (!window.Stripe) throw new Error('Stripe’s script did not define Stripe');
  const checkout = await window.Stripe(publishableKey).createEmbeddedCheckoutPage({
    clientSecret, // with `fetchClientSecret`, `onComplete` was reported to stay silent
    onComplete,
  });
  if (isWanted()) {
    checkout.mount(container);
    return checkout;
  }
  checkout.destroy();
  return undefined;
};

// --- Elements and state -------------------------------------------------------------------------------------------------

const form = getElement('form', HTMLFormElement);
const customAmount = getElement('custom-amount', HTMLInputElement);
const submitButton = getElement('submit', HTMLButtonElement);
/** The messages about the amount, and about everything else: each stands above what it is about. */
const amountError = getElement('amount-error', HTMLElement);
const otherError = getElement('error', HTMLElement);
const effect = getElement('effect', HTMLElement);
/** The sentence and the bar of one need. Absent if no need can be funded. */
const needTemplate = effect.querySelector('.effect');
const newTab = getElement('new-tab', HTMLFormElement);
/** Without the query of the form, which is for a proxy that must answer a form alone. */
const ordersUrl = form.action.replace(/\?.*/, '');
const stages = {
  choose: getElement('choose', HTMLElement),
  pay: getElement('pay', HTMLElement),
  thanks: getElement('thanks', HTMLElement),
};

/** @type {GivingPage} */
const page = JSON.parse(form.dataset['page'] ?? '');
const formToken = getField(form, 'form_token').value;
const lang = document.documentElement.lang;
installTrustedTypesPolicy(page.stripe.script_origins);

/** @type {{destroy(): void} | undefined} The payment page that is mounted now. */
let payment;
/** The token of the newest checkout session of this page; the next session replaces it. */
const lastSession = getField(form, 'replaces_session');
lastSession.value = ''; // a browser can restore it when the page is loaded again
let pending = false;

/** True if this page may take the focus. In a frame, the reader can have gone back to the article. */
const hasReader = () => parent === window || document.hasFocus();

/** Focus an element and scroll this page to it, but never the page around: it could see there which stage begins. @param {HTMLElement | null} element */
const focusHere = (element) => {
  if (!element) return;
  element.focus({ preventScroll: true });
  const { top, bottom } = element.getBoundingClientRect();
  if (top < 0 || bottom > innerHeight) scrollBy(0, top - 20);
};

/** Move the focus to the heading of a stage. @param {keyof typeof stages} name */
const focusHeading = (name) => focusHere(stages[name].querySelector('h1'));

/** Show one stage. Move the focus to its heading before the previous stage is hidden. @param {keyof typeof stages} name */
const showStage = (name) => {
  stages[name].hidden = false;
  if (hasReader()) focusHeading(name);
  for (const [other, element] of Object.entries(stages)) element.hidden = other !== name;
};

// --- The amount ---------------------------------------------------------------------------------------------------------

/** Return the radio button that is checked. */
const checkedRadio = () => /** @type {HTMLInputElement | null} */ (form.querySelector('[name=amount]:checked'));

/** Return the amount as chosen or typed: “25”. */
const chosenAmount = () => {
  const radio = checkedRadio();
  return (radio && radio.value !== 'custom' ? radio.value : customAmount.value).trim();
};

/** Convert a plainly typed amount to minor units. Return undefined if only the service can parse it. @param {string} typed */
const minorUnits = (typed) => {
  const pattern = page.allow_minor_units ? /^(\d{1,9})([.,](\d{1,3}))?$/ : /^(\d{1,9})()$/;
  const [, whole, , cents] = pattern.exec(typed) ?? [];
  return whole && Math.round(Number(`${whole}.${cents ?? 0}`) * page.minor_per_major);
};

/** Format an amount: “€1,250”. The server sends the format, because `Intl` lacks some of our languages. @param {number} minor */
const formatAmount = (minor) => {
  const { pattern, group, decimal } = page.amount_format;
  const digits = Math.round(Math.log10(page.minor_per_major));
  const [whole = '', cents = ''] = (minor / page.minor_per_major).toFixed(minor % page.minor_per_major ? digits : 0).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, group);
  return pattern.replace('{n}', grouped + (cents && decimal + cents));
};

/**
 * Create the sentence about a need, with its title in bold, and its bar with the gift, hatched after a gap.
 * @param {FundableNeed} need @param {number} part of the amount, in minor units @param {string} text
 */
const createEffect = ({ title, amount, remaining }, part, text) => {
  const copy = /** @type {HTMLElement} */ (needTemplate?.cloneNode(true));
  const [before = '', after = ''] = text.split('{need}');
  const [bold, rest] = copy.querySelectorAll('b, span');
  bold?.previousSibling?.replaceWith(before);
  bold?.replaceChildren(title);
  rest?.replaceChildren(after);
  const percent = (/** @type {number} */ minor) => `${(100 * minor) / amount}%`;
  const visible = part && Math.max(part, (8 * amount) / effect.clientWidth); // a small gift must be seen, too
  const start = Math.min(amount - remaining, amount - visible);
  /** @type {Record<string, Record<string, string>>} */
  const parts = {
    fill: { width: percent(start) },
    gift: { x: percent(start), width: percent(visible) },
    gap: { x: percent(start), width: part && start ? '2' : '0' },
  };
  for (const [name, attributes] of Object.entries(parts)) {
    for (const [key, value] of Object.entries(attributes)) copy.querySelector(`.${name}`)?.setAttribute(key, value);
  }
  return copy;
};

/** Show what an amount does: each need that it reaches, in their order, and what is then still needed. @param {number} amount in minor units */
const showEffect = (amount) => {
  const { texts, fundable_needs: needs } = page;
  let left = amount;
  const shown = [];
  for (const need of needs) {
    const part = Math.min(left, need.remaining);
    if (!part && shown.length) break;
    left -= part;
    const rest = need.remaining - part;
    const text = !part ? texts.effect_now : rest ? texts.effect : texts.effect_covers;
    shown.push(createEffect(need, part, text.replace('{amount}', formatAmount(part)).replace('{remaining}', formatAmount(rest))));
  }
  if (!shown.length) shown.push(createParagraph(texts.all_funded));
  else if (left) shown.push(createParagraph(texts.effect_surplus.replace('{amount}', formatAmount(left))));
  effect.replaceChildren(...shown);
};

/** Return the fee of a card payment. The service has the same rule. @param {number} payment in minor units */
const feeOf = (payment) => Math.round((payment * page.card_fee_basis_points) / 10_000) + page.card_fee_fixed;

/** Return the fewest whole units that cover the fee of a gift and of themselves. @param {number} gift in minor units */
const feeToAdd = (gift) => {
  let added = 0;
  while (added < feeOf(gift + added)) added = Math.ceil(feeOf(gift + added) / page.minor_per_major) * page.minor_per_major;
  return added;
};

/** The box to cover the fee, and what stands beside it while there is no amount. Absent if the campaign does not offer it. */
const coverFee = /** @type {HTMLInputElement | null} */ (document.getElementById('cover-fee'));
const coverFeeRule = coverFee?.nextElementSibling?.textContent ?? '';

/** Show Stripe’s fee for an amount, or the rule. @param {number} amount in minor units */
const showFee = (amount) => {
  const { texts } = page;
  const fee = feeOf(amount);
  getElement('detail-fee', HTMLElement).textContent =
    (amount && texts.fee_of_gift.replace('{fee}', formatAmount(fee)).replace('{amount}', formatAmount(amount))) || texts.fees;
};

// --- The way to give ----------------------------------------------------------------------------------------------------

/** The box of the bank transfer. Absent if the campaign shows none. */
const transfer = document.getElementById('transfer');

/** Return the way that is chosen: “card”, “bank_transfer”, “link-2”. A campaign with one way has no list. */
const chosenWay = () => /** @type {HTMLInputElement | null} */ (form.querySelector('[name=way]:checked'))?.value ?? 'card';

/**
 * Show an amount among the fields of the transfer, and in its QR code.
 * @param {HTMLElement} box @param {number} amount in minor units
 */
const showTransfer = (box, amount) => {
  const field = getElement('transfer-amount', HTMLElement);
  const row = /** @type {HTMLElement} */ (field.parentElement);
  const plain = (amount / page.minor_per_major).toFixed(amount % page.minor_per_major ? 2 : 0);
  row.hidden = !amount;
  field.textContent = formatAmount(amount);
  for (const button of row.querySelectorAll('button')) button.value = plain.replace('.', page.amount_format.decimal);
  for (const code of box.querySelectorAll('img')) {
    const address = `${code.src.split('?')[0]}${amount ? `?amount=${plain}` : ''}`;
    if (code.src === address) continue;
    code.style.opacity = '0'; // so that nobody scans the code of another amount
    code.onload = () => (code.style.opacity = '');
    code.src = address;
  }
  if (chosenWay() === 'bank_transfer') import(box.dataset['copyScript'] ?? '').catch(() => {});
};

// On a phone the code is of little use: it must be scanned with another one.
for (const fold of transfer?.querySelectorAll('details') ?? []) fold.open = innerWidth >= 640;

/** Update everything that depends on the amount. */
const updateAmount = () => {
  const amount = minorUnits(chosenAmount()) || 0;
  const { texts } = page;
  const added = coverFee && amount ? feeToAdd(amount) : 0;
  const charged = amount + (coverFee?.checked ? added : 0);
  submitButton.textContent = amount ? texts.continue_with.replace('{amount}', formatAmount(charged)) : texts.continue;
  const offer = texts.cover_fee.replace('{fee}', formatAmount(added)).replace('{amount}', formatAmount(amount));
  coverFee?.nextElementSibling?.replaceChildren(amount ? offer : coverFeeRule);
  const open = document.getElementById('open-stripe');
  open?.replaceChildren(amount ? texts.open_with.replace('{amount}', formatAmount(amount)) : texts.open);
  showEffect(amount);
  showFee(chosenWay() === 'card' ? charged : amount);
  if (transfer) showTransfer(transfer, amount);
};

customAmount.addEventListener('input', () => {
  getElement('choose-custom-amount', HTMLInputElement).checked = true;
});
form.addEventListener('change', (event) => {
  const radio = /** @type {HTMLInputElement} */ (event.target);
  if (radio.name !== 'amount') return;
  if (radio.value === 'custom') customAmount.focus();
  else customAmount.value = '';
});
for (const type of ['input', 'change']) {
  form.addEventListener(type, () => {
    updateAmount();
    showError('');
  });
}

// --- Submitting ---------------------------------------------------------------------------------------------------------

/**
 * Show an error in its live region, or clear both. They exist from the start, so that screen readers announce them.
 * @param {string} text @param {string} [code] of a problem document
 */
const showError = (text, code = '') => {
  const concernsAmount = code.startsWith('amount');
  amountError.textContent = concernsAmount ? text : '';
  otherError.textContent = concernsAmount ? '' : text;
  const isTyped = concernsAmount && !!customAmount.value.trim();
  if (isTyped) customAmount.setAttribute('aria-invalid', 'true');
  else customAmount.removeAttribute('aria-invalid');
  getElement('retry', HTMLElement).hidden = !/^token|^too_many/.test(code);
  const fallback = document.getElementById('fallback'); // only if the campaign names another way to give
  if (fallback) fallback.hidden = !/^(payments_unavailable|unreachable|internal|rate_limited|challenge_required)$/.test(code);
  if (!text || !hasReader()) return;
  // A field that is empty takes no focus, because that would open a phone's keyboard.
  if (isTyped) focusHere(customAmount);
  else focusHere(concernsAmount ? amountError : otherError);
};

/** Create a checkout session. @param {string} amount @param {'embedded' | 'hosted'} uiMode @param {string} [proof] @returns {Promise<CheckoutSession | Problem>} */
const createSession = async (amount, uiMode, proof = '') => {
  /** @type {CheckoutRequest} */
  const request = {
    form_token: formToken,
    amount,
    ui_mode: uiMode,
    lang,
    ...(coverFee?.checked && { cover_fee: true }),
    ...(lastSession.value && { replaces_session: lastSession.value }),
    ...(proof && { proof }),
  };
  const headers = { 'Content-Type': 'application/json', Accept: 'application/json' };
  try {
    const response = await fetch(ordersUrl, { method: 'POST', body: JSON.stringify(request), headers });
    return await response.json();
  } catch {
    return { type: 'about:blank', title: '', status: 0, code: 'unreachable', detail: page.texts.failed, request_id: '' };
  }
};

/** True if this browser cannot solve a challenge: the form is then posted as it is without this script. */
let submitWithoutScript = false;

/**
 * Create a checkout session; solve a challenge first if the service requires one. During an attack a solved challenge can be
 * rate limited for some seconds, so send it again.
 * @param {string} amount @param {'embedded' | 'hosted'} uiMode
 */
const createSessionWithProof = async (amount, uiMode) => {
  const status = getElement('checking', HTMLElement);
  let session = await createSession(amount, uiMode);
  let proof = '';
  for (let tries = 0; tries < 20 && 'code' in session; tries++) {
    if (session.code === 'challenge_required') {
      status.textContent = page.texts.challenge_running;
      try {
        const { solveChallenge } = await import(page.challenge_solver_url);
        proof = await solveChallenge(formToken);
      } catch {
        submitWithoutScript = true;
        session = { ...session, detail: page.texts.challenge_failed };
        break;
      }
    } else if (session.code === 'rate_limited' && proof) await sleep(2);
    else break;
    session = await createSession(amount, uiMode, proof);
  }
  status.textContent = '';
  return session;
};

/** Mark the button as busy. `aria-disabled` keeps the focus, which `disabled` would lose. @param {boolean} on */
const setPending = (on) => {
  pending = on;
  submitButton.setAttribute('aria-disabled', `${on}`);
};

/**
 * Say so if a sandbox keeps the form. Without `allow-forms` a browser fires no `submit`. Without `allow-same-origin` this page has
 * no origin, and the service rejects its requests.
 */
for (const button of form.querySelectorAll('#submit, [formtarget]')) {
  button.addEventListener('click', () => {
    let isSubmitted = false;
    form.addEventListener('submit', () => (isSubmitted = true), { once: true });
    setTimeout(() => {
      if (isSubmitted && (origin !== 'null' || button !== submitButton)) return;
      showError(`${page.texts.sandboxed} ${location.origin}${location.pathname}${location.search}`, 'unreachable');
    });
  });
}

form.addEventListener('submit', async (event) => {
  const amount = chosenAmount();
  if (amount && (submitWithoutScript || chosenWay() !== 'card')) {
    const button = /** @type {HTMLButtonElement | null} */ (event.submitter);
    if (chosenWay() === 'redirect' && (button?.formTarget || form.target)) setTimeout(() => showOpenedTab(minorUnits(amount) || 0));
    return;
  }
  event.preventDefault();
  if (pending || origin === 'null') return;
  if (!amount) return showError(page.texts.amount_missing, 'amount_missing');
  setPending(true);
  const session = await createSessionWithProof(amount, 'embedded');
  setPending(false);
  if ('session_token' in session) await startPayment(session);
  else showError(session.detail || page.texts.failed, session.code);
});

/** Make the proof that the form in another tab lacked, and go to Stripe's page. */
const goToStripe = async () => {
  showError('');
  const session = await createSessionWithProof(chosenAmount(), 'hosted');
  if ('url' in session) location.replace(session.url ?? '');
  else if ('code' in session) showError(session.detail || page.texts.failed, session.code);
};
if (otherError.dataset['code']) goToStripe();

// --- Paying -------------------------------------------------------------------------------------------------------------

/** Show one of the messages above the payment, or none. @param {'preparing' | 'blocked' | 'opened-in-tab' | ''} shown */
const showPaymentStatus = (shown) => {
  for (const id of ['preparing', 'blocked', 'opened-in-tab']) getElement(id, HTMLElement).hidden = id !== shown;
  getElement('payment', HTMLElement).hidden = shown === 'opened-in-tab';
  newTab.classList.toggle('prominent', shown === 'blocked');
};

/** Show the payment of an amount, with a form that pays it in a new tab. @param {number} amount in minor units @param {'preparing' | 'opened-in-tab'} status */
const showOrder = (amount, status) => {
  stages.pay.querySelector('h1')?.replaceChildren(page.texts.paying.replace('{amount}', formatAmount(amount)));
  getField(newTab, 'replaces_session').value = lastSession.value;
  getField(newTab, 'amount').value = checkedRadio()?.value ?? 'custom';
  getField(newTab, 'custom_amount').value = customAmount.value;
  showPaymentStatus(status);
  showStage('pay');
};

/** The order whose payment page is wanted now. Each order is another object. @type {object | undefined} */
let wantedOrder;
/** The last attempt to mount a payment page. It never fails, and the next attempt begins after it. */
let mounting = Promise.resolve();

/**
 * Show Stripe's payment page for a session. The page of an earlier session stays until now, hidden: the article can count frames,
 * and may see that an amount was submitted, but not that a donor gave up. @param {CheckoutSession} session */
const startPayment = async ({ session_token: sessionToken, amount, client_secret: clientSecret = '' }) => {
  payment?.destroy();
  payment = undefined;
  const order = {};
  wantedOrder = order;
  const isWanted = () => wantedOrder === order;
  lastSession.value = sessionToken;
  getField(newTab, 'cover_fee').value = coverFee?.checked ? 'on' : '';
  showOrder(amount, 'preparing');
  const mountIfWanted = async () => {
    if (!isWanted()) return;
    try {
      payment = await mountPayment({
        publishableKey: page.stripe.publishable_key,
        scriptUrl: page.stripe.script_url,
        clientSecret,
        container: getElement('payment', HTMLElement),
        onComplete: () => showThanks(sessionToken),
        isWanted,
      });
      if (isWanted()) showPaymentStatus('');
    } catch {
      if (isWanted()) showPaymentStatus('blocked');
    }
  };
  mounting = mounting.then(mountIfWanted);
  await mounting;
};

getElement('change', HTMLButtonElement).addEventListener('click', () => showStage('choose'));

/** Show that the payment goes on in the tab that opens. Call this in a later task, because the form must be sent first. @param {number} amount in minor units; 0: only the service can parse it */
const showOpenedTab = (amount) => {
  wantedOrder = undefined; // the tab's session replaces the one of this page
  getField(newTab, 'cover_fee').value = '';
  if (amount) showOrder(amount, 'opened-in-tab');
};

newTab.addEventListener('submit', () => {
  wantedOrder = undefined;
  setTimeout(() => showPaymentStatus('opened-in-tab'));
});

// --- Thanks -------------------------------------------------------------------------------------------------------------

/** Read the status of a session. Return undefined if it cannot be read now. @param {string} sessionToken @returns {Promise<CheckoutStatus | undefined>} */
const readStatus = async (sessionToken) => {
  try {
    const response = await fetch(`${ordersUrl}/${encodeURIComponent(sessionToken)}?lang=${lang}`, { headers: { Accept: 'application/json' } });
    return response.ok ? await response.json() : undefined;
  } catch {
    return undefined;
  }
};

/** Create the list of records that remain, if there are any. @param {CheckoutStatus} checkout */
const createRecords = ({ records_title: title, records }) => {
  if (!records.length) return [];
  const list = Object.assign(document.createElement('ul'), { className: 'records' });
  list.append(...records.map((text) => Object.assign(document.createElement('li'), { textContent: text })));
  return [Object.assign(document.createElement('h2'), { textContent: title }), list];
};

/**
 * Move the thanks to the part of this frame that the donor sees. The frame is as high as for the payment, and must not scroll the
 * article. An observer knows the visible part, also in a frame of another origin.
 */
const moveThanksIntoView = () => {
  const { thanks } = stages;
  const observer = new IntersectionObserver(([entry]) => {
    observer.disconnect();
    const room = innerHeight - document.body.scrollHeight;
    if (entry && room > 0) thanks.style.marginTop = `${Math.min(entry.intersectionRect.top, room)}px`;
  });
  observer.observe(document.documentElement);
};

/** Show the thanks once Stripe reports completion, with the status that the service has read. @param {string} sessionToken */
const showThanks = async (sessionToken) => {
  let checkout = await readStatus(sessionToken);
  for (let tries = 0; tries < 5 && (!checkout || checkout.status === 'open'); tries++) {
    await sleep(2);
    checkout = (await readStatus(sessionToken)) ?? checkout;
  }
  const isPaid = checkout?.status === 'paid' || checkout?.status === 'processing';
  // Stripe's frame stays, hidden: the article can count frames, and must not see when a payment ends.
  if (checkout) {
    const outcome = getElement('outcome', HTMLElement);
    outcome.replaceChildren(...checkout.paragraphs.map(createParagraph), ...createRecords(checkout));
    stages.thanks.querySelector('h1')?.replaceChildren(checkout.title);
    if (isPaid) outcome.firstElementChild?.after(effect);
  }
  showStage('thanks');
  if (parent !== window) moveThanksIntoView();
  if (page.emit_complete_event && isPaid) postToCard({ type: 'complete' });
};

/** Share the campaign: with the browser's dialog, else the clipboard, else as an address to copy by hand. */
const shareCampaign = async () => {
  const { title = '', url = '' } = getElement('share', HTMLElement).dataset;
  const result = getElement('share-result', HTMLElement);
  try {
    if (navigator.share) return await navigator.share({ title, url });
    await navigator.clipboard.writeText(url);
    result.textContent = result.dataset['copied'] ?? '';
  } catch (error) {
    if (/** @type {Error} */ (error).name !== 'AbortError') result.textContent = url;
  }
};
document.getElementById('share')?.addEventListener('click', shareCampaign); // absent if the campaign shows a bank warning

// --- In the card's frame ------------------------------------------------------------------------------------------------

/** @type {MessagePort | undefined} The channel to the card. */
let card;

/** Send a message to the card. @param {{type: 'height', height: number} | {type: 'close'} | {type: 'complete'}} message */
const postToCard = (message) => card?.postMessage(message);

/**
 * Send the height for this width, in which the payment fits. It depends on nothing else: neither the stage nor the amount may
 * show in it, even if the article changes the width. What does not fit is scrolled in the frame.
 */
const postHeight = () => {
  if (innerWidth < 100) return; // the hidden frame can be laid out with no width
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  postToCard({ type: 'height', height: Math.ceil(Math.max(67 * rem, 36 * rem + (1050 * rem * rem) / innerWidth)) });
};

/** Take the card's theme and open the channel to it. */
const connectToCard = () => {
  const { dataset } = document.documentElement;
  dataset['framed'] = '';
  const theme = location.hash.slice(1);
  if (theme === 'dark' || theme === 'light') dataset['theme'] = theme;
  addEventListener('message', ({ source, data, ports: [port] }) => {
    if (source !== parent || data?.type !== 'donation-card:connect' || !port) return;
    card = port;
    port.onmessage = ({ data: { type } }) => type === 'focus' && focusHeading(stages.pay.hidden ? 'choose' : 'pay');
    postHeight();
  });
  addEventListener('resize', postHeight);
  addEventListener('keydown', (event) => event.key === 'Escape' && postToCard({ type: 'close' }));
  for (const button of document.querySelectorAll('.close')) button.addEventListener('click', () => postToCard({ type: 'close' }));
  parent.postMessage({ type: 'donation-card:ready', v: 1 }, '*');
};

// --------------------------------------------------------------------------------------------------------------------------

// A page restored from the back/forward cache can hold a used token and a button that still waits.
addEventListener('pageshow', (event) => event.persisted && location.reload());
getElement('retry', HTMLElement).addEventListener('click', () => location.reload());
updateAmount();
if (parent !== window) connectToCard();
