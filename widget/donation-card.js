/*! <donation-card> 0.1.0, MIT licence. Readable source: /widget/v1/source/donation-card.js */
/**
 * Show one campaign inside somebody else's article: what it needs, how much is raised, and a way to give.
 *
 *   <script async src="https://HOST/widget/v1/donation-card.js"></script>
 *   <donation-card campaign="vitaly"><a href="https://HOST/c/vitaly">Give</a></donation-card>
 *
 * The card sets no cookie, stores nothing, defines no global and makes one request. The giving page opens in a frame of HOST
 * that the article cannot read. The link inside works before the card is drawn, without it and after an error.
 * The attributes, events, custom properties and parts are described in docs/embed.md.
 */
'use strict';
{
  // The service replaces this text with the minified donation-card.css. As it stands here, the card works without styles.
  const CSS = '@import "donation-card.css"';

  /** @type {any} `currentScript` is null in a module. */
  const script = document.currentScript ?? document.querySelector('script[src*="donation-card.js"]');
  const scriptOrigin = script?.src && new URL(script.src).origin;
  const { saveData } = /** @type {any} */ (navigator).connection ?? {};

  class DonationCard extends HTMLElement {
    static observedAttributes = ['campaign', 'lang', 'api-origin'];

    /** @type {CampaignCard | undefined} The last valid response. */ #campaign;
    /** @type {HTMLIFrameElement | undefined} */ #iframe;
    /** @type {MessagePort | undefined} */ #port;
    // A frame around the card may have no room for the giving page; a cross-origin isolated page cannot load Stripe.
    #linkOnly = (parent !== window && !this.hasAttribute('auto-height')) || crossOriginIsolated;
    #isNearViewport = false;
    #chosenLanguage = '';
    #requestCount = 0;
    #refreshTimer = 0;
    #frameTimer = 0;
    #observer = new IntersectionObserver(([entry]) => {
      this.#isNearViewport = !!entry?.isIntersecting;
      if (this.#isNearViewport && !this.#campaign) this.#load();
    }, { rootMargin: '600px' });

    // Each key is a field of the card's JSON or of its `labels`.
    #texts = {
      test_mode_text: createElement('small', { class: 'test-mode' }),
      eyebrow: createElement('small'),
      title: createElement('h2', { id: 'title', part: 'title' }),
      summary: createElement('p', { class: 'full-only' }),
      update: createElement('small', { class: 'full-only' }),
      story: createElement('summary'),
      as_of_text: createElement('small'),
      notice: createElement('p', { class: 'notice' }),
      donate: createElement('a', { class: 'donate', part: 'donate', target: 'donation-card', referrerpolicy: 'strict-origin' }),
      privacy_note: createElement('span'),
      dialog_title: createElement('small', { id: 'dialog-title' }),
    };
    #donateLink = this.#texts.donate;
    #story = createElement('details');
    #total = createElement('p', { class: 'total' });
    #bar = createElement('div', { class: 'bar', part: 'bar', role: 'progressbar', 'aria-labelledby': 'title' });
    #needs = createElement('ul', { role: 'list' }); // Safari drops the role from a list without bullets
    #languageSelect = createElement('select');
    #closeButton = createElement('button', { type: 'button' }, '×');
    #dialog = createElement('dialog', { 'aria-labelledby': 'dialog-title' },
      createElement('header', {}, this.#texts.dialog_title, this.#closeButton));
    #card = createElement('section', { class: 'card', part: 'card', 'aria-labelledby': 'title' },
      this.#dialog,
      createElement('div', { class: 'content' },
        this.#texts.test_mode_text,
        createElement('div', { class: 'columns' },
          createElement('div', { class: 'column' },
            this.#texts.eyebrow, this.#texts.title, this.#texts.summary, this.#texts.update, this.#story,
            createElement('div', {}, this.#total, this.#bar, this.#texts.as_of_text)),
          createElement('div', { class: 'column' }, this.#needs, this.#texts.notice, this.#donateLink)),
        createElement('small', { class: 'footer' }, this.#texts.privacy_note, this.#languageSelect)));
    #root = createElement('div', { class: 'root' }, this.#card);
    #fallback = createElement('slot', { name: 'link' });

    /** Attach the shadow root, which shows the link of the article until the first response. */
    constructor() {
      super();
      const shadow = this.attachShadow({ mode: 'open' });
      shadow.adoptedStyleSheets = [styleSheet];
      shadow.append(this.#fallback, createElement('slot'));
      this.#donateLink.onclick = (event) => this.#open(event);
      this.#donateLink.onpointerenter = this.#donateLink.onfocus = () => saveData || this.#preloadFrame();
      this.#closeButton.onclick = () => this.#dialog.close();
      this.#dialog.onkeydown = ({ key }) => key === 'Escape' && this.#dialog.close();
      this.#dialog.onclose = () => this.#closed();
      this.#languageSelect.onchange = () => {
        this.#chosenLanguage = this.#languageSelect.value;
        this.attributeChangedCallback();
      };
    }

    /** Start to watch the viewport. */
    connectedCallback() {
      this.#observer.observe(this);
      this.#scheduleRefresh();
    }

    /** Load the campaign again, in the new language or from the new address. */
    attributeChangedCallback() {
      if (!this.#campaign) return;
      this.#removeFrame();
      this.#load();
    }

    /** Stop timers, observers and the frame. */
    disconnectedCallback() {
      this.#observer.disconnect();
      this.#isNearViewport = false;
      clearTimeout(this.#refreshTimer);
      this.#removeFrame();
    }

    /**
     * Return the fallback link. After an unclosed tag the article's other links are children of the card too.
     * @returns {HTMLAnchorElement | null}
     */
    get #link() {
      return this.querySelector(`:scope > a[href*="/c/${this.getAttribute('campaign') ?? ''}"]`);
    }

    /** Return the origin of the service: from the attribute, the link or the script. */
    get #origin() {
      return new URL(this.getAttribute('api-origin') || this.#link?.href || scriptOrigin, document.baseURI).origin;
    }

    /** Return the address of the giving page, in the language of the card. */
    get #donateUrl() {
      return `${this.#origin}${this.#campaign?.urls.donate}?lang=${this.#campaign?.lang}`;
    }

    /** Fetch the campaign and draw it if it changed. The newest request wins. @param {RequestCache} cache */
    async #load(cache = 'default') {
      const request = ++this.#requestCount;
      if (!this.#link && document.readyState === 'loading') {
        await new Promise((resolve) => addEventListener('DOMContentLoaded', resolve));
      }
      const link = this.#link;
      link?.setAttribute('slot', 'link');
      const id = this.getAttribute('campaign') ?? link?.pathname.split('/')[2];
      try {
        const lang = this.#chosenLanguage || languageOf(this) || 'en';
        const campaign = await fetchShared(`${this.#origin}/v1/campaigns/${id}?lang=${lang}`, cache);
        if (request === this.#requestCount && JSON.stringify(campaign) !== JSON.stringify(this.#campaign)) this.#draw(campaign);
      } catch (error) {
        if (request !== this.#requestCount) return;
        this.#languageSelect.value = this.#chosenLanguage = this.#campaign?.lang ?? '';
        this.#fail(`${error} (CSP: connect-src ${this.#origin})`);
      }
      this.#scheduleRefresh();
    }

    /** Plan the next request: when the public total may have changed, and only while the card can be seen. */
    #scheduleRefresh() {
      clearTimeout(this.#refreshTimer);
      if (!this.#campaign || !this.isConnected || saveData) return;
      const next = this.#campaign.progress.next_update_at;
      const jitter = Math.random() * 1e4; // so that not all readers send their requests in the same second
      const delay = next ? Math.max(6e4, Date.parse(next) - Date.now() + jitter || 0) : 1e4;
      this.#refreshTimer = setTimeout(() => {
        if (this.#isNearViewport && !document.hidden) this.#load('no-cache');
        else this.#scheduleRefresh();
      }, Math.min(delay, 1e9)); // setTimeout overflows at 2 ** 31
    }

    /** Draw a response; the first one replaces the link. @param {CampaignCard} campaign */
    #draw(campaign) {
      const { progress, labels, languages, lang, dir, status, story } = campaign;
      const isOpen = status === 'open';
      const opensHere = isOpen && !this.#linkOnly;
      this.#campaign = campaign;
      Object.assign(this.#root, { lang, dir });
      this.#card.className = `card ${status}`;
      this.#story.replaceChildren(...story.map((text) => createElement('p', {}, text)));
      if (story.length) this.#story.prepend(this.#texts.story);
      this.#total.replaceChildren(createElement('b', {}, progress.raised_text), progress.goal_text);
      this.#drawNeeds(campaign);
      /** @type {Record<string, any>} */
      const texts = {
        ...campaign,
        ...labels,
        as_of_text: progress.as_of_text,
        donate: opensHere ? labels.donate : isOpen && labels.new_tab,
        privacy_note: opensHere && labels.privacy_note,
      };
      // The style sheet hides empty elements.
      for (const [name, element] of Object.entries(this.#texts)) element.textContent = texts[name] || '';
      this.#donateLink.href = this.#donateUrl;
      if (this.#languageSelect.value !== lang) {
        this.#languageSelect.replaceChildren(...languages.map(({ lang, name }) => createElement('option', { value: lang, lang }, name)));
        this.#languageSelect.value = lang;
        this.#languageSelect.hidden = languages.length < 2;
      }
      this.#languageSelect.setAttribute('aria-label', labels.language);
      this.#closeButton.title = labels.close;
      if (this.#fallback.isConnected) {
        this.#fallback.replaceWith(this.#root);
        this.#emit('ready');
      }
    }

    /** Draw the list of needs and the segments of the bar. @param {CampaignCard} campaign */
    #drawNeeds({ needs, progress, labels }) {
      this.#bar.setAttribute('aria-valuenow', `${progress.percent}`);
      this.#bar.setAttribute('aria-valuetext', progress.aria_text);
      this.#needs.setAttribute('aria-label', labels.needs);
      this.#needs.replaceChildren(...needs.map((need, index) => {
        const item = createElement('li', { class: need.status },
          createElement('i'),
          createElement('b', {}, need.title),
          createElement('span', {}, need.amount),
          createElement('small', {}, need.status_text));
        // A segment stays in place, so that its width can change with a transition.
        const segment = /** @type {HTMLElement} */ (
          this.#bar.children[index] ?? this.#bar.appendChild(createElement('i', {}, createElement('b'))));
        segment.style.cssText = item.style.cssText =
          `--goal-percent:${need.goal_fraction * 100};--funded-percent:${need.funded_fraction * 100}%`;
        return item;
      }));
    }

    /** Load the giving page into the closed dialog. */
    #preloadFrame() {
      if (this.#iframe || this.#linkOnly || !this.#campaign) return;
      const isDark = parseInt(getComputedStyle(this.#card).backgroundColor.slice(4)) < 99;
      this.#iframe = createElement('iframe', {
        src: `${this.#donateUrl}#${isDark ? 'dark' : 'light'}`,
        title: this.#campaign.labels.dialog_title,
        allow: 'payment *; publickey-credentials-get *; web-share; clipboard-write',
        referrerpolicy: 'strict-origin', // donations are counted by site
      });
      addEventListener('message', this);
      document.addEventListener('securitypolicyviolation', this);
      this.#dialog.append(this.#iframe);
    }

    /** Open the giving page inside the card, or let the link open it in a tab. @param {MouseEvent} event */
    #open(event) {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      if (this.#linkOnly) {
        // In a sandbox without popups the reader can copy the address.
        if (!open('', 'donation-card')) this.#donateLink.textContent = this.#donateUrl;
        return;
      }
      event.preventDefault();
      if (!this.#emit('open')) return;
      this.#preloadFrame();
      if (this.#root.clientWidth < 480 && parent === window) this.#dialog.showModal();
      else this.#dialog.show();
      if (this.#card.getBoundingClientRect().top < 0) this.#card.scrollIntoView();
      this.#iframe?.focus();
      this.#port?.postMessage({ type: 'focus' });
      if (!this.#port) this.#frameTimer = setTimeout(() => this.#abandonFrame(), 8e3);
    }

    /** Return the focus to the article, then show the new total. Focus moves first: it may be inside the frame. */
    #closed() {
      if (!this.isConnected) return;
      this.#donateLink.focus();
      this.#removeFrame();
      this.#load('reload');
      if (this.#campaign?.progress.next_update_at) return;
      setTimeout(() => this.isConnected && this.#load('reload'), 2e3); // an immediate total waits for Stripe's webhook
    }

    /** Close the dialog and remove the frame with its listeners. */
    #removeFrame() {
      this.#dialog.close();
      clearTimeout(this.#frameTimer);
      removeEventListener('message', this);
      document.removeEventListener('securitypolicyviolation', this);
      this.#port?.close();
      this.#iframe?.remove();
      this.#port = this.#iframe = undefined;
    }

    /** From now on, open the giving page in a tab, because the frame did not load. */
    #abandonFrame() {
      this.#linkOnly = true;
      if (this.#campaign) this.#draw(this.#campaign);
      this.#fail(`the giving page was not framed (CSP: frame-src ${this.#origin})`);
      this.#removeFrame();
    }

    /** Handle a message to this page, or a violation of its CSP. @param {Event} event */
    handleEvent(event) {
      if (event instanceof MessageEvent) this.#handleMessage(event);
      if (event instanceof SecurityPolicyViolationEvent) this.#handleViolation(event);
    }

    /** Connect to the giving page when it is ready. @param {MessageEvent} event */
    #handleMessage({ source, origin, data }) {
      const frame = this.#iframe?.contentWindow;
      if (frame && source === frame && origin === this.#origin && data?.type === 'donation-card:ready') this.#connect(frame);
    }

    /** Abandon the frame if the page's CSP forbids it. @param {SecurityPolicyViolationEvent} event */
    #handleViolation({ effectiveDirective, blockedURI }) {
      if (effectiveDirective === 'frame-src' && blockedURI.startsWith(this.#origin) && !this.#port) this.#abandonFrame();
    }

    /** Open a channel to the giving page. The article can read it, so it carries no amount. @param {Window} frame */
    #connect(frame) {
      clearTimeout(this.#frameTimer);
      const { port1, port2 } = new MessageChannel();
      this.#port = port1;
      port1.onmessage = ({ data }) => {
        if (data?.type === 'height' && this.#iframe) this.#iframe.style.height = `${Math.min(+data.height || 0, 5000)}px`;
        if (data?.type === 'close') this.#dialog.close();
        if (data?.type === 'complete' && this.#campaign?.emit_complete_event) this.#emit('complete');
      };
      frame.postMessage({ type: 'donation-card:connect', v: 1 }, this.#origin, [port2]);
      if (this.#dialog.open) port1.postMessage({ type: 'focus' });
    }

    /** Report an error: an event, and a console line with the attribute `debug`. @param {string} reason */
    #fail(reason) {
      if (this.hasAttribute('debug')) console.warn('donation-card:', reason);
      this.#emit('error');
    }

    /** Dispatch `donation-card-<name>`. Return false if `open` was cancelled. @param {string} name */
    #emit(name) {
      return this.dispatchEvent(new CustomEvent(`donation-card-${name}`, { bubbles: true, composed: true, cancelable: name === 'open' }));
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

  /** @type {Map<string, {validUntil: number, card: Promise<CampaignCard>}>} */
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
   * @param {string} url @param {RequestCache} cache @returns {Promise<CampaignCard>}
   */
  const fetchCard = async (url, cache) => {
    const signal = AbortSignal.timeout(8e3);
    const response = await fetch(url, { cache, credentials: 'omit', referrerPolicy: 'no-referrer', signal });
    const card = await response.json();
    if (!response.ok || !isValidCard(card)) throw new TypeError(`${url}: ${response.status}`);
    return card;
  };

  /** Check that a response can be drawn: a captive portal may send any JSON. @param {CampaignCard} card */
  const isValidCard = ({ title, progress, needs, story, languages, urls }) =>
    [title, progress.raised_text, ...story, ...languages].every(Boolean) &&
    progress.percent >= 0 &&
    urls.donate.startsWith('/c/') &&
    needs.every((need) => need.goal_fraction > 0 && need.funded_fraction >= 0);

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

  /**
   * Turn a link to a campaign with `#card`, alone in its paragraph, into a card.
   * Content management systems strip unknown tags, but rarely links.
   */
  const upgradeCardLinks = () => {
    for (const link of document.links) {
      const block = link.closest('p,div,figure');
      const isAlone = link.parentNode === block && block?.textContent?.trim() === link.textContent?.trim();
      if (link.hash === '#card' && link.origin === scriptOrigin && isAlone) {
        const card = createElement('donation-card');
        link.replaceWith(card);
        card.append(link);
      }
    }
  };

  const styleSheet = new CSSStyleSheet(); // the page's `style-src` does not apply to it
  styleSheet.replaceSync(CSS);
  if (!customElements.get('donation-card')) customElements.define('donation-card', DonationCard);
  if (document.readyState === 'loading') addEventListener('DOMContentLoaded', upgradeCardLinks);
  else upgradeCardLinks();
}
