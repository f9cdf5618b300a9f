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
  tell({ message: 'link', value: link.href, secret });
};

new ResizeObserver(tellHeight).observe(document.body);
addEventListener('message', ({ data }) => data?.message === 'ready' && tellHeight());
if (secret) addEventListener('click', followOutside);
