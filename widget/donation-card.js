/*! <donation-card> 0.1.0, MIT. /widget/v1/source/donation-card.js */
/**
 * Show campaigns inside somebody else's article: what one needs, how much is raised, and a way to give. Several have a row each.
 *
 *   <script async src="https://HOST/widget/v1/donation-card.js"></script>
 *   <donation-card campaign="vitaly"><a href="https://HOST/c/vitaly">Give</a></donation-card>
 *
 * The card is a small state machine. `#update` runs after every change and derives what is shown from three inputs:
 * 1. `#wanted`: service, campaigns and language, read from the attributes and the link when they are needed.
 * 2. `#answer`: the last good response. While another campaign is wanted, or after a failure, the link is shown instead.
 * 3. `#way`: what this page permits. Donate opens a frame here, else a tab; in a sandbox without tabs it shows the address.
 *    Where the page around a frame follows its links (WordPress), Donate leads to the giving page in the same tab.
 * A response to a request that is no longer wanted is ignored. The card writes only into its shadow root.
 *
 * The card sets no cookie, stores nothing, defines no global and makes one request, and one for a picture. The giving page opens in a frame of HOST
 * that the article cannot read. The link inside works before the card is drawn, without it and after an error.
 * The attributes, events, custom properties and parts are described in docs/embed.md.
 */
{
  const saveData = /** @type {any} */ (navigator).connection?.saveData || matchMedia('(prefers-reduced-data:reduce)').matches;

  /** @typedef {{origin?: string | undefined, campaign: string, url: string}} CampaignRequest Addresses; empty while a part is unknown. */
  /** @typedef {CardNeed & {lang?: string, note?: string, donate_url: string}} Row A need, or one of several campaigns. */
  /** @typedef {Omit<CampaignCard, 'needs'> & {needs: Row[], campaigns?: Row[]}} Answer Of several campaigns, it has `campaigns` and no `needs`. */

  class DonationCard extends HTMLElement {
    /** @type {Answer | undefined} The last good response. */ #answer;
    /** @type {CampaignRequest | undefined} The request of that response. */ #answered;
    /** @type {CampaignRequest | undefined} The newest request. */ #requested;
    /** The language around the card. When it changes, it replaces the reader's choice. */ #pageLanguage = '';
    #chosenLanguage = '';
    /** @type {'' | 'tab' | 'address'} Where Donate leads after something was blocked. */ #fallbackWay = '';
    /** All that was drawn last. */ #drawn = '';
    /** Styles that replace the room which the page reserved. */ #room = '';
    #isNearViewport = false;
    #refreshTimer = 0;
    #frameTimer = 0;
    /** @type {HTMLIFrameElement | undefined} */ #iframe;
    /** @type {MessagePort | undefined} */ #port;
    #viewportObserver = new IntersectionObserver((/** @type {any} */ [{ isIntersecting }]) => {
      this.#isNearViewport = isIntersecting;
      if (!this.#root.parentNode) isIntersecting && this.#load();
      else if (!isIntersecting) this.#releaseRoom();
    }, { rootMargin: '600px' });
    #changeObserver = new MutationObserver(() => this.#update()); // once for all changes of a task

    /** @type {Record<string, HTMLElement>} Each key is a field of the card's JSON, of its `progress` or of its `labels`. */ #texts = {};
    #donateLink;
    /** @type {HTMLAnchorElement | undefined} The link that opened the giving page. */ #chosenLink;
    /** @type {Record<string, any>} Donate of each row by its id. It stays the same, so that it keeps the focus. */ #donateLinks = {};
    #dismissButton = createElement('button', { type: 'button' }, '×');
    #story = createElement('div');
    #picture = createElement('img', { part: 'picture', loading: 'lazy', decoding: 'async', referrerpolicy: 'no-referrer' });
    #bar = createElement('div', { class: 'bar', part: 'bar', role: 'progressbar', 'aria-labelledby': 'title' });
    #needs = createElement('ol', { role: 'list' }); // Safari drops the role from a list without numbers
    #languageSelect = createElement('select');
    #closeButton = createElement('button', { type: 'button' }, '×');
    #dialog = createElement('dialog', { 'aria-labelledby': 'dialog_title' });
    #card = createElement('section', { part: 'card', 'aria-labelledby': 'title' }, this.#dialog);
    #root = createElement('div', { class: 'root' }, this.#card);
    #slot = createElement('slot');
    // In a manual slot the link of the article can be hidden without an attribute on it.
    #shadow = this.attachShadow({ mode: 'open', slotAssignment: 'manual' });

    /** Build the card. The shadow root shows the link of the article until the first response. */
    constructor() {
      super();
      /** @param {keyof HTMLElementTagNameMap} tag @param {string} name of the text in the response @param {Record<string, string>} [more] */
      const text = (tag, name, more) => (this.#texts[name] = createElement(tag, { class: name, ...more }));
      this.#dialog.append(createElement('header', {}, text('small', 'dialog_title', { id: 'dialog_title' }), this.#closeButton));
      this.#card.append(createElement('div', { class: 'content' },
        text('small', 'test_mode_text'),
        createElement('div', { class: 'ask' },
          this.#picture, createElement('div', { class: 'top' }, text('small', 'eyebrow'), this.#languageSelect),
          text('h2', 'title', { id: 'title', part: 'title' }), text('p', 'summary'),
          createElement('p', { class: 'total' }, text('b', 'raised_text'), ' ', text('span', 'goal_text')), this.#bar,
          text('p', 'notice'),
          createElement('div', { class: 'act' },
            createElement('p', {}, text('strong', 'current_label'), ' ', text('b', 'current_need'), text('small', 'missing_text')),
            this.#donateLink = /** @type {HTMLAnchorElement} */ (
              text('a', 'donate', { part: 'donate', target: 'donation-card', referrerpolicy: 'strict-origin' }))),
          text('small', 'assurance')),
        createElement('div', { class: 'list' },
          text('h3', 'needs'), this.#needs, text('small', 'update'),
          createElement('details', {}, text('summary', 'story'), this.#story), text('small', 'as_of_text'))), this.#dismissButton);
      this.#shadow.append(this.#slot);
      this.adoptedCallback();
      this.#donateLink.onpointerenter = this.#donateLink.onfocus = () => saveData || this.#preloadFrame();
      this.#closeButton.onclick = this.#dialog.onclose = () => this.#close();
      this.#dialog.onkeydown = (event) => {
        if (event.key !== 'Escape') return;
        event.preventDefault(); // a dialog of the article, around the card, stays open
        event.stopPropagation();
        this.#close();
      };
      this.#dismissButton.onclick = () => {
        if (!this.#emit('dismiss')) return;
        this.disconnectedCallback();
        this.#room = ':host{display:none!important}';
        this.adoptedCallback();
      };
      this.#languageSelect.onchange = () => {
        this.#chosenLanguage = this.#languageSelect.value;
        this.#update();
      };
    }

    /** Take a style sheet of this document, to which the page's `style-src` does not apply. Another document drops it. */
    adoptedCallback() {
      const view = this.ownerDocument.defaultView;
      if (!view) return;
      const styleSheet = new view.CSSStyleSheet();
      styleSheet.replaceSync(CSS + this.#room);
      this.#shadow.adoptedStyleSheets = [styleSheet];
    }

    /** Start to watch the viewport, the attributes, the content and the language of the page. */
    connectedCallback() {
      this.#viewportObserver.observe(this);
      const attributeFilter = ['campaign', 'lang', 'api-origin', 'auto-height', 'same-tab', 'href'];
      this.#changeObserver.observe(this, { childList: true, subtree: true, attributeFilter });
      this.#changeObserver.observe(document.documentElement, { attributeFilter });
      this.#update();
      this.#scheduleRefresh();
    }

    /** Keep the giving page open in `moveBefore`. Without this method, the card would be disconnected. */
    connectedMoveCallback() {
      this.#update();
    }

    /** Stop timers, observers and the frame. */
    disconnectedCallback() {
      this.#viewportObserver.disconnect();
      this.#changeObserver.disconnect();
      this.#isNearViewport = false;
      clearTimeout(this.#refreshTimer);
      this.#removeFrame();
    }

    /** Return the fallback links: as many as campaigns, because after an unclosed tag the article's other links are children of the card too. */
    get #fallbackLinks() {
      return /** @type {HTMLAnchorElement[]} */ ([...this.children])
        .filter(campaignOf).slice(0, this.getAttribute('campaign')?.match(/[\w-]+/g)?.length ?? 1);
    }

    /** Return the request for what the attributes say now. The link and the script complete them. @returns {CampaignRequest} */
    get #wanted() {
      const [link] = this.#fallbackLinks;
      const origin = originOf(this.getAttribute('api-origin')) ?? link?.origin ?? scriptOrigin;
      const id = this.getAttribute('campaign') || (link && campaignOf(link));
      const campaign = origin && id ? `${origin}/v1/campaigns/${encodeURIComponent(id)}` : '';
      return { origin, campaign, url: campaign && `${campaign}?lang=${this.#chosenLanguage || languageOf(this) || 'en'}` };
    }

    /**
     * Return where Donate leads on this page. A frame around the card may have no room for the giving page. Stripe's page does not
     * load in an isolated page. The giving page ignores messages of a card that another window has adopted.
     */
    get #way() {
      if (this.hasAttribute('same-tab')) return 'page'; // the frame sends the link to the page around it
      return this.#fallbackWay || ((parent === window || this.hasAttribute('auto-height'))
        && !crossOriginIsolated && origin !== 'null' && this.ownerDocument === document ? 'frame' : 'tab');
    }

    /** Follow a change: request what is missing. Show the card if its answer is about the wanted campaigns, else the link. */
    #update() {
      const language = languageOf(this);
      if (language !== this.#pageLanguage) this.#chosenLanguage = '';
      this.#pageLanguage = language;
      const { url, campaign } = this.#wanted;
      if (url && url !== this.#requested?.url && (this.#isNearViewport || this.#answer)) this.#load();
      const answer = campaign === this.#answered?.campaign && this.#answer;
      const links = answer ? this.#fallbackLinks : [];
      if (answer) {
        const state = this.#way + this.#answered?.origin + JSON.stringify(answer);
        if (state !== this.#drawn) this.#draw(answer);
        this.#drawn = state;
        if (!this.#root.parentNode) {
          this.#releaseRoom();
          this.#shadow.prepend(this.#root);
        }
      } else {
        this.#removeFrame();
        this.#root.remove();
      }
      // What follows an unclosed tag stays too.
      this.#slot.assign(.../** @type {Element[]} */ ([...this.childNodes].filter((node) => !links.includes(/** @type {any} */ (node)))));
    }

    /**
     * Release the room that the page reserved, if it is below the window. Otherwise the article would move before the reader's
     * eyes. The card then keeps the height until the window becomes wider.
     */
    #releaseRoom() {
      const { top, height } = this.getBoundingClientRect();
      const kept = top < innerHeight ? `calc(${height}px - 99*max(0px,100vw - ${innerWidth + 1}px))` : 0;
      this.#room = `:host{padding-bottom:0!important;min-height:${kept}!important}`;
      this.adoptedCallback();
    }

    /** Request what is wanted now. Accept the answer unless something else is wanted meanwhile. @param {RequestCache} cache */
    async #load(cache = 'default') {
      if (!this.#wanted.url) await parsed; // the link may follow
      const request = (this.#requested = this.#wanted);
      const answer = request.url
        ? await fetchShared(request.url, cache).catch((reason) => `${reason} (CSP: connect-src ${request.origin})`)
        : 'add the link, or campaign and api-origin';
      if (request !== this.#requested) return;
      if (request.url !== this.#wanted.url) return this.#update();
      const isFirst = !this.#root.parentNode;
      if (typeof answer === 'object') {
        this.#answer = answer;
        this.#answered = request;
      } else if (request.url !== this.#answered?.url) {
        if (!this.#chosenLanguage && !this.#dialog.open) this.#answered = undefined; // no card in another language than wanted
        this.#chosenLanguage = '';
        this.#languageSelect.value = this.#root.lang;
      }
      this.#update();
      if (typeof answer === 'string') this.#fail(answer);
      else if (isFirst) this.#emit('ready');
      this.#scheduleRefresh();
    }

    /** Plan the next request: when the public total may have changed, and only while the card can be seen. */
    #scheduleRefresh() {
      clearTimeout(this.#refreshTimer);
      if (!this.#answer || !this.isConnected || saveData) return;
      const next = this.#answer.progress.next_update_at;
      // A random part, so that not all readers send their requests in the same second.
      const delay = next ? Math.max(6e4, Date.parse(next) - Date.now() + Math.random() * 1e4 || 0) : 1e4;
      this.#refreshTimer = setTimeout(() => {
        if (this.#isNearViewport && !document.hidden) this.#load('no-cache');
        else this.#scheduleRefresh();
      }, Math.min(delay, 1e9)); // setTimeout overflows at 2 ** 31
    }

    /** Draw a response. @param {Answer} answer */
    #draw(answer) {
      const { progress, labels, languages, lang, dir, status, campaigns, story, picture, urls } = answer;
      if (!this.#dialog.open) this.#removeFrame(); // it can be preloaded in another language
      Object.assign(this.#root, { lang, dir });
      this.#card.className = `card ${status} ${campaigns ? 'several' : progress.stage}`;
      this.#story.replaceChildren(...story.map((text) => createElement('p', {}, text)));
      const focused = /** @type {HTMLElement | null} */ (this.#shadow.activeElement);
      this.#drawNeeds(answer);
      focused?.focus({ preventScroll: true });
      /** @type {Record<string, any>} */
      const texts = {
        ...answer,
        ...progress,
        ...labels,
        assurance: status === 'open' && this.#way === 'frame' && labels.assurance,
      };
      // The style sheet hides empty elements.
      for (const [name, element] of Object.entries(this.#texts)) element.textContent = texts[name] || '';
      this.#drawDonate(this.#donateLink, status === 'open' && !campaigns ? urls.donate : null, lang, labels);
      if (!picture) this.#picture.removeAttribute('src');
      else if (!saveData) Object.assign(this.#picture, { alt: picture.alt, title: picture.credit, src: this.#answered?.origin + picture.url });
      this.#languageSelect.replaceChildren(...languages.map(({ lang, name }) => createElement('option', { value: lang, lang }, name)));
      this.#languageSelect.value = lang;
      this.#languageSelect.hidden = languages.length < 2;
      this.#languageSelect.ariaLabel = labels.language;
      this.#closeButton.ariaLabel = this.#dismissButton.ariaLabel = labels.close;
    }

    /**
     * Let Donate lead to a giving page. Without a path it has no text, and the style sheet hides it.
     * @param {HTMLAnchorElement} link @param {string | null} path @param {string} lang @param {CardLabels} labels
     */
    #drawDonate(link, path, lang, labels) {
      const way = this.#way;
      link.href = `${this.#answered?.origin}${path}?lang=${lang}`;
      link.textContent = path && (way === 'address' ? link.href : labels[way === 'tab' ? 'new_tab' : 'donate']);
      link.onclick = (event) => this.#open(event, link);
    }

    /** Draw the list of needs and the segments of the bar, or a row with its own bar for each campaign. @param {Answer} answer */
    #drawNeeds({ campaigns, needs, progress, urls, lang, labels }) {
      this.#bar.ariaValueNow = `${progress.percent}`;
      this.#bar.ariaValueText = progress.aria_text;
      this.#bar.replaceChildren();
      this.#needs.replaceChildren(...(campaigns ?? needs).map((need, index) => {
        // The style sheet shows the mark, so that list and bar have the same.
        const marked = { class: need.status, 'data-mark': need.status === 'funded' ? '✓' : `${index + 1}`, lang: need.lang ?? lang };
        const segment = createElement('i', marked, createElement('b'));
        segment.style.cssText = `--share:${need.goal_fraction * 100};--funded:${need.funded_fraction * 100}%`;
        const link = /** @type {HTMLAnchorElement} */ (this.#donateLinks[need.id] ??= this.#donateLink.cloneNode());
        if (campaigns) {
          this.#drawDonate(link, need.donate_url, marked.lang, labels);
          link.ariaLabel = `${link.textContent}: ${need.title}`;
        } else this.#bar.append(segment);
        return createElement('li', marked,
          createElement('b', {}, need.title), campaigns ? segment : ' ', createElement('span', {}, need.amount), campaigns ? link : '',
          createElement('small', {}, need.status_text),
          createElement('p', {}, need.note ?? need.spent_text,
            need.receipts_text ? createElement('span', {}, '\xa0· ', createElement('a', {
              href: `${this.#answered?.origin}${urls.page}?lang=${lang}#spent`, target: '_blank', rel: 'noreferrer',
            }, need.receipts_text)) : ''));
      }));
    }

    /** Load the giving page into the closed dialog. */
    #preloadFrame({ href } = this.#donateLink) {
      if (this.#iframe || !this.#answer || this.#way !== 'frame') return;
      const frame = (this.#iframe = createElement('iframe', {
        src: `${href}#${this.#isDark ? 'dark' : 'light'}`,
        title: this.#answer.labels.dialog_title,
        allow: 'payment *; publickey-credentials-get *; web-share; clipboard-write',
        referrerpolicy: 'strict-origin', // donations are counted by site
      }));
      // The giving page is ready before it has loaded. Anything else never is: an error, a filter, what a CSP leaves.
      const waitForGivingPage = (/** @type {number} */ delay) => {
        clearTimeout(this.#frameTimer);
        this.#frameTimer = setTimeout(() => this.#port || this.#abandonFrame(), delay);
      };
      frame.onload = () => waitForGivingPage(2e3);
      waitForGivingPage(8e3);
      addEventListener('message', this);
      this.#dialog.append(frame);
    }

    /** True if the paper is dark, in any notation of colour. A transparent paper shows the page. */
    get #isDark() {
      this.#root.style.color = `color-mix(in lab, ${getComputedStyle(this.#card).backgroundColor} 90%, Canvas)`;
      return parseFloat(getComputedStyle(this.#root).color.slice(4)) < 50; // `lab(L a b)`
    }

    /** Open the giving page inside the card, or let the link open it in a tab. @param {MouseEvent} event @param {HTMLAnchorElement} link */
    #open(event, link) {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      if (this.#way !== 'frame') {
        const tab = open('', 'donation-card');
        if (tab && !isSandboxed(tab)) return;
        event.preventDefault(); // a sandboxed tab would show an error, because the giving page isolates itself
        tab?.close();
        this.#fallbackWay = 'address';
        this.#update();
        return this.#fail('sandbox: allow-popups-to-escape-sandbox');
      }
      event.preventDefault();
      if (!this.#emit('open')) return;
      this.#chosenLink = link;
      this.#preloadFrame(link);
      if (this.#root.clientWidth < 480 && parent === window) this.#dialog.showModal();
      else {
        this.#dialog.open = true; // `show()` would move the focus, and `close()` would move it back
        this.#scrollIntoView();
      }
      this.#iframe?.focus({ preventScroll: true });
      this.#port?.postMessage({ type: 'focus' });
    }

    /** Scroll until the top of the card is in the window, below any header that covers it. */
    #scrollIntoView() {
      const isCovered = () => {
        const { x, y } = this.#card.getBoundingClientRect();
        return /** @type {Document} */ (this.getRootNode()).elementFromPoint(x + 40, y + 2) !== this;
      };
      for (let margin = 16; margin < innerHeight / 2 && isCovered(); margin += 16) {
        this.#card.style.scrollMarginTop = `${margin}px`;
        this.#card.scrollIntoView({ behavior: 'instant' });
      }
    }

    /** Close the giving page because the reader wants it, then show the new total. */
    #close() {
      if (!this.#iframe) return; // this follows `#removeFrame`
      this.#removeFrame();
      // An immediate total waits for Stripe's webhook.
      setTimeout(() => this.isConnected && this.#load('reload'), this.#answer?.progress.next_update_at ? 0 : 2e3);
    }

    /** Remove the frame with its listeners. Return the focus to Donate if it is in the frame. */
    #removeFrame() {
      const hadFocus = this.#dialog.contains(this.#shadow.activeElement);
      this.#dialog.close();
      if (hadFocus) this.#chosenLink?.focus({ preventScroll: true });
      removeEventListener('message', this);
      clearTimeout(this.#frameTimer);
      this.#port?.close();
      this.#iframe?.remove();
      this.#port = this.#iframe = undefined;
    }

    /** From now on, open the giving page in a tab, because the frame did not load. */
    #abandonFrame() {
      this.#fallbackWay = 'tab';
      this.#removeFrame();
      this.#update();
      this.#fail(`frame (CSP: frame-src ${this.#answered?.origin})`);
    }

    /**
     * Open a channel to the giving page when it is ready. The article can read the channel, so it carries no amount.
     * @param {MessageEvent} event
     */
    handleEvent({ source, origin, data }) {
      const frame = this.#iframe;
      if (!frame || source !== frame.contentWindow || origin !== this.#answered?.origin || data?.type !== 'donation-card:ready') return;
      const { port1, port2 } = new MessageChannel();
      this.#port = port1;
      port1.onmessage = ({ data }) => {
        if (data?.type === 'height') frame.style.height = `${+data.height}px`;
        if (data?.type === 'close') this.#close();
        if (data?.type === 'complete' && this.#answer?.emit_complete_event) this.#emit('complete');
      };
      frame.contentWindow?.postMessage({ type: 'donation-card:connect', v: 1 }, origin, [port2]);
      if (this.#dialog.contains(this.#shadow.activeElement)) port1.postMessage({ type: 'focus' });
    }

    /** Report an error: an event, and a console line with the attribute `debug`. @param {string} reason */
    #fail(reason) {
      this.#releaseRoom();
      if (this.hasAttribute('debug')) console.warn('donation-card:', reason);
      this.#emit('error');
    }

    /** Dispatch `donation-card-<name>`. Return false if `open` was cancelled. @param {string} name */
    #emit(name) {
      return this.dispatchEvent(new Event(`donation-card-${name}`, { bubbles: true, composed: true, cancelable: true }));
    }
  }

  /**
   * Create an element with attributes and children.
   * @template {keyof HTMLElementTagNameMap} T
   * @param {T} tag @param {Record<string, string>} attributes @param {(Node | string)[]} children
   */
  const createElement = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const name in attributes) element.setAttribute(name, attributes[name] ?? '');
    element.append(...children);
    return element;
  };

  /** @type {Map<string, {validUntil: number, card: Promise<Answer>}>} */
  const sharedRequests = new Map();

  /**
   * Fetch a card once for all elements on the page, until its total may change. Try twice.
   * @param {string} url @param {RequestCache} cache
   */
  const fetchShared = (url, cache) => {
    const known = sharedRequests.get(url);
    if (known && known.validUntil > Date.now() && cache !== 'reload') return known.card;
    const card = fetchCard(url, cache).catch(() => new Promise((resolve) => setTimeout(() => resolve(fetchCard(url, cache)), 1e3)));
    const request = { card, validUntil: Date.now() + 9e3 }; // shorter than the refresh of an immediate total
    sharedRequests.set(url, request);
    card.then(
      ({ progress }) => (request.validUntil = Date.parse(progress.next_update_at ?? '') || request.validUntil),
      () => sharedRequests.delete(url));
    return card;
  };

  /**
   * Fetch a card and check it.
   * @param {string} url @param {RequestCache} cache @returns {Promise<Answer>}
   */
  const fetchCard = async (url, cache) => {
    const response = await fetch(url, { cache, credentials: 'omit', referrerPolicy: 'no-referrer', signal: AbortSignal.timeout(8e3) });
    const card = await response.json();
    if (!response.ok || !isValidCard(card)) throw `${url}: ${response.status}`;
    return card;
  };

  /** Check that a response can be drawn: a captive portal may send any JSON. @param {Answer} card */
  const isValidCard = ({ progress, campaigns, needs, story, languages, urls }) =>
    [progress.raised_text, urls.donate.startsWith('/c/'), ...story, ...languages,
      ...(campaigns ?? needs).map((need) => need.goal_fraction > 0 && need.funded_fraction >= 0)].every(Boolean);

  /**
   * Return the nearest `lang` around an element, through shadow roots, else the languages of the browser.
   * @param {Element} element @returns {string} comma-separated, without regions
   */
  const languageOf = (element) => {
    const { host } = /** @type {ShadowRoot} */ (element.getRootNode());
    const lang = element.closest('[lang]')?.getAttribute('lang');
    if (!lang && host) return languageOf(host);
    return [...new Set((lang ? [lang] : navigator.languages).map((tag) => tag.replace(/[^a-z].*/i, '')))].join();
  };

  /** Return the origin of an address, or undefined if it is no address. @param {string | null} address */
  const originOf = (address) => {
    try {
      return new URL(address ?? '').origin;
    } catch {
      return undefined;
    }
  };

  /** Return the id of the campaign that a link leads to. @param {HTMLAnchorElement} link */
  const campaignOf = ({ pathname }) => /^\/c\/([^/]+)\/?$/.exec(pathname)?.[1];

  /**
   * Return true if a new, empty window inherited the restrictions of a sandbox. It then has another opaque origin, or the frame
   * says so, or it rejects its own `domain` (https://html.spec.whatwg.org/multipage/browsers.html#dom-document-domain).
   * @param {Window} tab
   */
  const isSandboxed = (tab) => {
    try {
      const { document } = tab;
      if (frameElement) return frameElement.matches('[sandbox]:not([sandbox*=escape])');
      if (parent !== window && document.domain) document.domain = document.domain;
    } catch {
      return true;
    }
  };

  /**
   * Turn links to a campaign with `#card`, alone in their paragraph, into cards.
   * Content management systems strip unknown tags, but rarely links. They mark links of their readers with `ugc`.
   */
  const upgradeCardLinks = () => {
    for (const link of /** @type {NodeListOf<HTMLAnchorElement>} */ (
      document.querySelectorAll(':is(p,div,figure)>a[href$="#card"]:read-only:not([rel~=ugc],donation-card *)'))) {
      if (link.parentElement?.textContent?.trim() !== link.textContent?.trim() || !campaignOf(link) || link.origin !== (scriptOrigin ?? link.origin)) continue;
      const card = createElement('donation-card');
      link.replaceWith(card);
      card.append(link);
    }
  };

  const parsed = new Promise((resolve) =>
    document.readyState === 'loading' ? addEventListener('DOMContentLoaded', resolve) : resolve(0));

  // The origin of the file, read from the stack: a module has no `currentScript`, and an image can have that name. The service
  // serves the file at this path. A copy elsewhere belongs to no service. The address is the text before the second colon.
  const scriptOrigin = /^[^:]*?(https?:\/\/[^/]+)\/widget\/\w+\/donation-card\.js/.exec(`${new Error().stack}`)?.[1];

  // The service replaces this text with the minified donation-card.css. As it stands here, the card works without styles.
  const CSS = '@import "donation-card.css"';

  if (!customElements.get('donation-card')) customElements.define('donation-card', DonationCard);
  parsed.then(() => {
    upgradeCardLinks();
    new MutationObserver(upgradeCardLinks).observe(document, { childList: true, subtree: true, attributeFilter: ['href'] });
  });
}
