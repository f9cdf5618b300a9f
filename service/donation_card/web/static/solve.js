/**
 * The proof of work that keeps card testers out: loaded by the giving page only when the service asks for it. The browser's
 * own PBKDF2 does the work, beside the page's thread; nothing leaves but the solution.
 */

const TOGETHER = 8; // tries at once: every core has one to do, and the page still draws

/** @param {ArrayBuffer} buffer */
const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** @param {string} text */
const bytes = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

/**
 * The key that a counter leads to: PBKDF2 over the challenge's nonce with the counter behind it.
 * @param {Challenge['parameters']} parameters @param {number} counter
 */
const derive = async ({ nonce, salt, cost }, counter) => {
  const password = new Uint8Array([...bytes(nonce), 0, 0, 0, 0]);
  new DataView(password.buffer).setUint32(password.length - 4, counter);
  const key = await crypto.subtle.importKey('raw', password, 'PBKDF2', false, ['deriveBits']);
  return hex(await crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt: bytes(salt), iterations: cost }, key, 256));
};

/**
 * Asks for a challenge for this form, and solves it. Throws where the browser has no cryptography: on a page without TLS.
 * @param {string} token @returns {Promise<string>}
 */
export const prove = async (token) => {
  const form = hex(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token)));
  const ask = () => fetch(`/v1/challenge?form=${form}`);
  let answer = await ask();
  for (let tries = 1; answer.status === 429 && tries < 10; tries++) { // a network with many who ask: wait for a turn
    await new Promise((done) => setTimeout(done, 1000 * Number(answer.headers.get('retry-after'))));
    answer = await ask();
  }
  /** @type {Challenge} */
  const challenge = await answer.json();
  for (let first = 0; ; first += TOGETHER) {
    const keys = await Promise.all(Array.from({ length: TOGETHER }, (_, n) => derive(challenge.parameters, first + n)));
    const n = keys.findIndex((key) => key.startsWith(challenge.parameters.keyPrefix));
    if (n >= 0) return btoa(JSON.stringify({ challenge, solution: { counter: first + n, derivedKey: keys[n] } }));
  }
};
