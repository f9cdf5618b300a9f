/** `<donation-card>`. It has attributes and events, and no properties of its own. docs/embed.md describes them. */
export interface DonationCardElement extends HTMLElement {}

/** All attributes of the element. None is required if the link inside names the campaign. */
export interface DonationCardAttributes {
  /** ID of the campaign, or up to ten IDs with spaces between them. Default: read from the link inside. */
  campaign?: string | undefined;
  /** Language of the card, for example `be`. Default: the nearest `lang` around the card, otherwise the browser's. */
  lang?: string | undefined;
  /** Default: the `color-scheme` of the page. */
  theme?: 'light' | 'dark' | undefined;
  /** Default: `auto`, which fits the card to its width. */
  layout?: 'auto' | 'card' | 'compact' | 'button' | 'bar' | undefined;
  /** Origin of the donation service, for example `https://give.example`. Default: the link's origin. */
  'api-origin'?: string | undefined;
  /** For a card in a frame: the frame follows the height of its content. */
  'auto-height'?: boolean | '' | undefined;
  /** For a card in a frame whose page follows its links. */
  'same-tab'?: boolean | '' | undefined;
  /** Print one line in the console that says what failed. */
  debug?: boolean | '' | undefined;
}

/** The events. They bubble and carry no data. */
export interface DonationCardEventMap {
  /** The card is displayed. */
  'donation-card-ready': Event;
  /** The reader pressed Donate. `preventDefault()` keeps the giving page closed. */
  'donation-card-open': Event;
  /** The reader closed a card with `layout="bar"`. `preventDefault()` keeps it open. */
  'donation-card-dismiss': Event;
  /** Something was blocked or did not respond. The link, or the card as it was, stays. */
  'donation-card-error': Event;
  /** The donor paid, or the payment is processing. Only if the campaign sets `emit_complete_event`. */
  'donation-card-complete': Event;
}

declare global {
  interface HTMLElementTagNameMap {
    'donation-card': DonationCardElement;
  }
  interface HTMLElementEventMap extends DonationCardEventMap {}
  interface DocumentEventMap extends DonationCardEventMap {}
}
