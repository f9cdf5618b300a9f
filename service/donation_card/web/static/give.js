/**
 * The giving page with JavaScript: the same form, answered in place. Without this file the form posts and is redirected.
 *
 * Four pieces: the amount (what the button says, which need it reaches), the payment (Stripe's page, mounted here), the
 * thanks, and the frame (what the card may know: ready, a height, close; never an amount).
 */

/** @template {HTMLElement} T @param {string} id @param {new () => T} kind @returns {T} */
const part = (id, kind) => {
  const element = document.getElementById(id);
  if (element instanceof kind) return element;
  throw new Error(`no ${kind.name} #${id}`);
};

const seconds = (/** @type {number} */ n) => new Promise((resume) => setTimeout(resume, n * 1000));

const paragraph = (/** @type {string} */ text) => Object.assign(document.createElement('p'), { textContent: text });

// --- Stripe -------------------------------------------------------------------------------------------------------------

/**
 * The page's one Trusted Types policy (https://w3c.github.io/trusted-types/), for Stripe's script as for ours: no text becomes
 * HTML or script, and a script comes from the origin of Stripe's or does not come. @param {string} address of Stripe's script
 */
const admitStripeAlone = (address) => {
  const { origin } = new URL(address);
  window.trustedTypes?.createPolicy('default', { createScriptURL: (wanted) => (new URL(wanted, location.href).origin === origin ? wanted : null) });
};

/** @type {Promise<void> | undefined} */
let stripeLoaded;

/** Only now, after an amount was submitted: the script talks to Stripe and sets its cookies as soon as it runs. @param {string} address */
const loadStripe = (address) =>
  (stripeLoaded ??= new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = address;
    script.onload = () => resolve();
    script.onerror = () => reject(new Error('Stripe’s script was blocked'));
    setTimeout(() => reject(new Error('Stripe’s script did not come')), 20_000);
    document.head.append(script);
  }));

/**
 * Mounts Stripe's payment page: the one place that knows how. `destroy` must be called before another is mounted.
 * @param {{key: string, script: string, secret: string, into: HTMLElement, onComplete: () => void}} order
 * @returns {Promise<{destroy(): void}>}
 */
const mountPayment = async ({ key, script, secret, into, onComplete }) => {
  await loadStripe(script).catch((error) => {
    stripeLoaded = undefined; // so that another try is one
    throw error;
  });
  if (!window.Stripe) throw new Error('Stripe’s script did not define Stripe');
  const checkout = await window.Stripe(key).createEmbeddedCheckoutPage({ fetchClientSecret: async () => secret, onComplete });
  checkout.mount(into);
  return checkout;
};

// --- The page's parts ---------------------------------------------------------------------------------------------------

const form = part('form', HTMLFormElement);
const own = part('own', HTMLInputElement);
const submit = part('submit', HTMLButtonElement);
const problem = part('error', HTMLElement);
const reach = part('reach', HTMLElement);
const newTab = part('new-tab', HTMLFormElement);
const stages = { choose: part('choose', HTMLElement), pay: part('pay', HTMLElement), thanks: part('thanks', HTMLElement) };

/** @type {GivingPage} */
const page = JSON.parse(form.dataset['page'] ?? '');
const token = /** @type {HTMLInputElement} */ (form.elements.namedItem('token')).value;
const lang = document.documentElement.lang;
admitStripeAlone(page.stripe.script);

/** @type {{handle: string, destroy(): void} | undefined} The payment that is open here. */
let payment;
/** @type {string} Handle of the last session of this page: the next one replaces it. */
let last = '';
let pending = false;

const focusHeading = (/** @type {keyof typeof stages} */ name) => stages[name].querySelector('h1')?.focus();

/** Shows one stage and moves the focus to its heading before the old one goes. @param {keyof typeof stages} name */
const show = (name) => {
  stages[name].hidden = false;
  focusHeading(name);
  for (const [other, element] of Object.entries(stages)) element.hidden = other !== name;
  const warning = part('warning', HTMLElement);
  warning.hidden = name === 'thanks' || !warning.childElementCount;
};

// --- The amount ---------------------------------------------------------------------------------------------------------

const chosenRadio = () => /** @type {HTMLInputElement | null} */ (form.querySelector('[name=amount]:checked'));

/** What the donor chose, as typed: “25”. */
const chosenAmount = () => {
  const radio = chosenRadio();
  return (radio && radio.value !== 'own' ? radio.value : own.value).trim();
};

/** Minor units of a plainly typed amount; undefined where the service must judge. @param {string} typed */
const minorUnits = (typed) => {
  const [, whole, , cents] = (page.decimals ? /^(\d{1,9})([.,](\d{1,3}))?$/ : /^(\d{1,9})()$/).exec(typed) ?? [];
  return whole && Math.round(Number(`${whole}.${cents ?? 0}`) * page.unit);
};

/** “€1,250”: the server says how; no `Intl`, which does not know every language of ours. @param {number} minor */
const formatAmount = (minor) => {
  const digits = Math.round(Math.log10(page.unit));
  const [whole = '', cents = ''] = (minor / page.unit).toFixed(minor % page.unit ? digits : 0).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, page.format.group);
  return page.format.pattern.replace('{n}', grouped + (cents && page.format.decimal + cents));
};

const setWidth = (/** @type {Element | undefined} */ rect, /** @type {number} */ share) => rect?.setAttribute('width', `${share * 100}%`);

/** Lays the gift over the needs that are not funded yet, in their order. @param {number} gift in minor units */
const showReach = (gift) => {
  const segments = document.querySelectorAll('#bar .gift');
  const open = page.needs.map((need, index) => ({ ...need, index })).filter((need) => need.filled < 1);
  segments.forEach((rect) => setWidth(rect, 0));
  let left = gift;
  const reached = [];
  for (const [n, { missing, text }] of page.reach.entries()) {
    const share = Math.min(left, missing);
    if (n && !share) break;
    const need = open[n];
    if (need) setWidth(segments[need.index], need.filled + (share / missing) * (1 - need.filled));
    reached.push(text);
    left -= share;
  }
  if (left || !reached.length) reached.push(page.texts.beyond);
  reach.replaceChildren(...reached.map(paragraph));
};

const amountChanged = () => {
  const gift = minorUnits(chosenAmount());
  submit.textContent = gift ? page.texts.continue_with.replace('{amount}', formatAmount(gift)) : page.texts.continue;
  showReach(gift || 0);
};

own.addEventListener('input', () => {
  part('choose-own', HTMLInputElement).checked = true;
});
form.addEventListener('change', (event) => {
  const radio = /** @type {HTMLInputElement} */ (event.target);
  if (radio.name !== 'amount') return;
  if (radio.value === 'own') own.focus();
  else own.value = '';
});
for (const kind of ['input', 'change']) {
  form.addEventListener(kind, () => {
    amountChanged();
    complain('');
  });
}

// --- Submitting ---------------------------------------------------------------------------------------------------------

/** Says what is wrong, in the live region that was there from the start. @param {string} text @param {string} [code] */
const complain = (text, code = '') => {
  problem.textContent = text;
  const about = code.startsWith('amount');
  if (about) own.setAttribute('aria-invalid', 'true');
  else own.removeAttribute('aria-invalid');
  part('retry', HTMLElement).hidden = !/^token|^too_many/.test(code);
  const another = document.getElementById('another'); // only where the campaign names another way to give
  if (another) another.hidden = !/^(payments_unavailable|unreachable|internal|rate_limited|challenge_required)$/.test(code);
  if (!text) return;
  const radio = chosenRadio();
  (about ? (radio && radio.value !== 'own' ? radio : own) : problem).focus();
};

/** Asks for a session. @param {string} amount @param {string} [proof] @returns {Promise<CheckoutSession | Problem>} */
const order = async (amount, proof = '') => {
  const body = JSON.stringify({ token, amount, shape: 'embedded', lang, ...(last && { replaces: last }), ...(proof && { proof }) });
  try {
    const answer = await fetch(form.action, { method: 'POST', body, headers: { 'Content-Type': 'application/json', Accept: 'application/json' } });
    return await answer.json();
  } catch {
    return { type: 'about:blank', title: '', status: 0, code: 'unreachable', detail: page.texts.failed };
  }
};

/** Whether this browser cannot do the work that is asked for: the form then goes where it goes without this script. */
let plain = false;

/**
 * Asks for a session, does the work first where that is asked for, and shows it again where it finds no room: in an attack
 * there is some every few moments.
 * @param {string} amount
 */
const orderWithProof = async (amount) => {
  const checking = part('checking', HTMLElement);
  let session = await order(amount);
  let proof = '';
  for (let tries = 0; tries < 20 && 'code' in session; tries++) {
    if (session.code === 'challenge_required') {
      checking.textContent = page.texts.checking;
      try {
        const { prove } = await import(page.solver);
        proof = await prove(token);
      } catch {
        plain = true;
        session = { ...session, detail: page.texts.unchecked };
        break;
      }
    } else if (session.code === 'rate_limited' && proof) await seconds(2);
    else break;
    session = await order(amount, proof);
  }
  checking.textContent = '';
  return session;
};

/** @param {boolean} on */
const setPending = (on) => {
  pending = on;
  submit.setAttribute('aria-disabled', `${on}`); // not `disabled`: that would throw the focus away
};

form.addEventListener('submit', async (event) => {
  if (plain) return;
  event.preventDefault();
  if (pending) return;
  const amount = chosenAmount();
  if (!amount) return complain(page.texts.amount_missing, 'amount_missing');
  setPending(true);
  const session = await orderWithProof(amount);
  setPending(false);
  if ('handle' in session) await pay(session);
  else complain(session.detail || page.texts.failed, session.code);
});

// --- Paying -------------------------------------------------------------------------------------------------------------

/** Which of the lines above the payment is shown. @param {'preparing' | 'blocked' | 'opened' | ''} which */
const sayPayment = (which) => {
  for (const name of ['preparing', 'blocked', 'opened']) part(name, HTMLElement).hidden = name !== which;
  newTab.classList.toggle('prominent', which === 'blocked');
};

/** @param {CheckoutSession} session */
const pay = async ({ handle, amount, client_secret: secret = '' }) => {
  last = handle;
  stages.pay.querySelector('h1')?.replaceChildren(page.texts.paying.replace('{amount}', formatAmount(amount)));
  const copy = (/** @type {string} */ name, /** @type {string} */ value) => {
    /** @type {HTMLInputElement} */ (newTab.elements.namedItem(name)).value = value;
  };
  copy('replaces', handle);
  copy('amount', chosenRadio()?.value ?? 'own');
  copy('own', own.value);
  sayPayment('preparing');
  show('pay');
  const into = part('payment', HTMLElement);
  try {
    const { key, script } = page.stripe;
    const checkout = await mountPayment({ key, script, secret, into, onComplete: () => thank(handle) });
    if (last !== handle || stages.pay.hidden || !part('opened', HTMLElement).hidden) return checkout.destroy(); // given up meanwhile
    payment = { handle, destroy: () => checkout.destroy() };
    sayPayment('');
  } catch {
    if (last === handle) sayPayment('blocked');
  }
};

const dropPayment = () => {
  payment?.destroy();
  payment = undefined;
};

part('change', HTMLButtonElement).addEventListener('click', () => {
  dropPayment();
  show('choose');
});

newTab.addEventListener('submit', () => {
  sayPayment('opened');
  // The new tab's session expires the one here; a task later, because the form must be sent first.
  setTimeout(dropPayment);
});

// --- Thanks -------------------------------------------------------------------------------------------------------------

/** @param {string} handle @returns {Promise<CheckoutState | undefined>} undefined: not readable just now */
const readState = async (handle) => {
  try {
    const answer = await fetch(`${form.action}/${encodeURIComponent(handle)}?lang=${lang}`, { headers: { Accept: 'application/json' } });
    return answer.ok ? await answer.json() : undefined;
  } catch {
    return undefined;
  }
};

/** Stripe says it is complete; what is true is what the service read. @param {string} handle */
const thank = async (handle) => {
  let state = await readState(handle);
  for (let tries = 0; tries < 5 && (!state || state.status === 'open'); tries++) {
    await seconds(2);
    state = (await readState(handle)) ?? state;
  }
  // Stripe's frame stays where it is, out of sight: a page around us can count frames, and must not see a gift end.
  if (state) {
    const { title, paragraphs } = state;
    part('outcome', HTMLElement).replaceChildren(...paragraphs.map(paragraph));
    stages.thanks.querySelector('h1')?.replaceChildren(title);
    if (state.status === 'paid' || state.status === 'processing') part('outcome', HTMLElement).firstElementChild?.after(...document.querySelectorAll('#bar, #reach'));
  }
  show('thanks');
  if (page.complete_event && (state?.status === 'paid' || state?.status === 'processing')) tell({ type: 'done' });
};

/** The browser's own sharing, else the clipboard, else the address to be copied by hand. */
const share = async () => {
  const { title = '', url = '' } = part('share', HTMLElement).dataset;
  const said = part('shared', HTMLElement);
  try {
    if (navigator.share) return await navigator.share({ title, url });
    await navigator.clipboard.writeText(url);
    said.textContent = said.dataset['copied'] ?? '';
  } catch (error) {
    if (/** @type {Error} */ (error).name !== 'AbortError') said.textContent = url;
  }
};
document.getElementById('share')?.addEventListener('click', share); // only where the campaign carries no warning

// --- In the card's frame ------------------------------------------------------------------------------------------------

/** @type {MessagePort | undefined} */
let card;
let height = 0;
let width = 0;

/** @param {{type: 'height', height: number} | {type: 'close'} | {type: 'done'}} message */
const tell = (message) => card?.postMessage(message);

/** At one width it only grows: the article around must not jump between payment and thanks. */
const tellHeight = () => {
  if (innerWidth < 100) return; // laid out while hidden: every word on a line of its own
  if (innerWidth !== width) height = 0;
  width = innerWidth;
  height = Math.max(height, Math.ceil(document.body.getBoundingClientRect().height));
  tell({ type: 'height', height });
};

const joinFrame = () => {
  const { dataset } = document.documentElement;
  dataset['framed'] = '';
  const theme = location.hash.slice(1);
  if (theme === 'dark' || theme === 'light') dataset['theme'] = theme;
  addEventListener('message', ({ source, data, ports: [port] }) => {
    if (source !== parent || data?.type !== 'donation-card:port' || !port) return;
    card = port;
    port.onmessage = ({ data: { type } }) => type === 'focus' && focusHeading(stages.pay.hidden ? 'choose' : 'pay');
    tellHeight();
  });
  new ResizeObserver(tellHeight).observe(document.body);
  addEventListener('keydown', (event) => event.key === 'Escape' && stages.pay.hidden && tell({ type: 'close' }));
  for (const button of document.querySelectorAll('.close')) button.addEventListener('click', () => tell({ type: 'close' }));
  parent.postMessage({ type: 'donation-card:ready', v: 1 }, '*');
};

// --------------------------------------------------------------------------------------------------------------------------

// A page restored by the back button holds a token that may be spent and a button that may be waiting.
addEventListener('pageshow', (event) => event.persisted && location.reload());
part('retry', HTMLElement).addEventListener('click', () => location.reload());
amountChanged();
if (parent !== window) joinFrame();
