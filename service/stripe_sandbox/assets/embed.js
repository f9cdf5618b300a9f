// Tells the page around an embedded form how tall it is and when it is done. Nothing private is in these
// messages, so they may go to any parent; the form itself works without this script.
"use strict";

const tell = (what, value) => parent.postMessage({ sandboxCheckout: what, value }, "*");

new ResizeObserver(([{ target }]) => tell("height", Math.ceil(target.getBoundingClientRect().height))).observe(document.body);

const done = document.querySelector("[data-complete]");
if (done) tell("complete", done.dataset.returnUrl);
