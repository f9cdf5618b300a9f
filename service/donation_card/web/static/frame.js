/**
 * Run the card in a frame of its own: send its height to the page around it once it is drawn, or has failed.
 *
 * WordPress has its own messages (wp-includes/js/wp-embed.js): a height from 200 to 1,000 and a link that was followed, each
 * with the secret of this frame. Messages go to any origin, because a sandboxed frame cannot know who holds it; they are public.
 */

const wordPressSecret = new URLSearchParams(location.hash.replace(/^#\??/, '')).get('secret');

/** Send a message to the page around the frame. @param {object} message */
const postToParent = (message) => parent.postMessage(message, '*');

/** Send a height to WordPress. It hides the frame until it receives one. @param {number} height */
const postToWordPress = (height) => {
  if (wordPressSecret) postToParent({ message: 'height', value: Math.min(1000, Math.max(200, height)), secret: wordPressSecret });
};

let reserved = 0;
let width = 0;

/** Send the height of the card, at least the one that the page reserved: otherwise what stands below would move up. */
const postHeight = () => {
  if (width !== innerWidth) reserved = width ? 0 : innerHeight; // another width needs another height
  width = innerWidth;
  const height = Math.ceil(document.body.getBoundingClientRect().height);
  postToParent({ type: 'donation-card:height', height: Math.max(reserved, height) });
  postToWordPress(height);
};

/** Let WordPress open a link: its sandbox allows no tab. @param {MouseEvent} event */
const openLinkOutside = (event) => {
  const link = event.composedPath().find((element) => element instanceof HTMLAnchorElement);
  if (!(link instanceof HTMLAnchorElement)) return;
  event.preventDefault();
  event.stopPropagation();
  postToParent({ message: 'link', value: link.href, secret: wordPressSecret });
};

const card = document.querySelector('donation-card');
const observer = new ResizeObserver(postHeight);
for (const name of ['donation-card-ready', 'donation-card-error']) addEventListener(name, () => observer.observe(document.body));
addEventListener('donation-card-dismiss', () => (reserved = 0)); // the page around may close the gap
if (card?.shadowRoot?.querySelector('.card')) observer.observe(document.body); // drawn before
addEventListener('message', ({ source, data }) => {
  if (source !== parent) return;
  if (data?.message === 'ready') width ? postHeight() : postToWordPress(innerHeight);
  // The page around resizes this frame, so the giving page can open in place.
  if (data?.type === 'donation-card:resizable') card?.setAttribute('auto-height', '');
});
if (wordPressSecret) {
  card?.setAttribute('same-tab', '');
  addEventListener('click', openLinkOutside, true);
  postToWordPress(innerHeight); // a hidden card is not near the viewport, so it would wait for ever
}
