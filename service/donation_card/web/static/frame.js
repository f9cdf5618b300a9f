/**
 * The card as a frame: tells the page around it how tall the card is; and WordPress, in its own words
 * (wp-includes/js/wp-embed.js): a height from 200 to 1,000 and a link that was followed, each with the secret of this frame.
 * The rest goes to everyone alike, since a sandboxed frame cannot know who holds it: nothing here is private.
 */

const secret = new URLSearchParams(location.hash.replace(/^#\??/, '')).get('secret');

const tell = (/** @type {object} */ message) => parent.postMessage(message, '*');

const tellHeight = () => {
  const height = Math.ceil(document.body.getBoundingClientRect().height);
  tell({ type: 'donation-card:height', height });
  if (secret) tell({ message: 'height', value: Math.min(1000, Math.max(200, height)), secret });
};

const followOutside = (/** @type {MouseEvent} */ event) => {
  const link = event.composedPath().find((element) => element instanceof HTMLAnchorElement);
  if (!(link instanceof HTMLAnchorElement)) return;
  event.preventDefault(); // its sandbox allows no tab
  event.stopPropagation();
  tell({ message: 'link', value: link.href, secret });
};

/** The page around answers that it gives this frame the height it is told: then there is room to give in place. */
const grow = () => {
  const card = document.querySelector('donation-card:not([grows])');
  card?.setAttribute('grows', '');
  card?.replaceWith(card.cloneNode(true)); // it looks once, when it is made
};

new ResizeObserver(tellHeight).observe(document.body);
addEventListener('message', ({ source, data }) => {
  if (source !== parent) return;
  if (data?.message === 'ready') tellHeight();
  if (data?.type === 'donation-card:grows') grow();
});
if (secret) addEventListener('click', followOutside, true);
