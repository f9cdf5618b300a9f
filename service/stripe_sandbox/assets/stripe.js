// Implement the part of Stripe.js (release train "endive", the shape of @stripe/stripe-js 10.2.1) that mounts an embedded Checkout page.
"use strict";

(() => {
  const { origin, protocol, host, hostname } = new URL(document.currentScript.src);
  let current = null; // like Stripe's script, allow one embedded page at a time
  let broken = false; // like Stripe's script, create no page after one that failed

  // Like Stripe's script, load another one from a subdomain. An address has none; the page works without the script.
  if (hostname.includes(".") && !/^[\d.]+$/.test(hostname)) {
    const another = document.createElement("script");
    another.src = `${protocol}//b.${host}/assets/embed.js`; // throws if the page's Trusted Types policy refuses it
    document.head.append(another);
  }

  class IntegrationError extends Error {
    name = "IntegrationError";
  }

  const fail = (message) => {
    throw new IntegrationError(message);
  };

  /** @param {string} key @returns {{createEmbeddedCheckoutPage: Function}} */
  function Stripe(key) {
    if (typeof key !== "string" || key === "") fail("Missing value for Stripe(): apiKey should be a string.");
    if (key.startsWith("pk_live_")) fail("The sandbox's stripe.js received a live key. It accepts pk_test_ keys only.");
    if (!key.startsWith("pk_test_")) fail("Please call Stripe() with your publishable test key (pk_test_…).");
    return { createEmbeddedCheckoutPage };
  }
  Stripe.version = "endive";

  async function createEmbeddedCheckoutPage(options) {
    try {
      if (broken || current) fail("You cannot have multiple Embedded Checkout objects.");
      return await createPage(options ?? {});
    } catch (error) {
      broken = true;
      throw error;
    }
  }

  async function createPage({ fetchClientSecret, clientSecret, onComplete }) {
    if (fetchClientSecret && clientSecret) fail("You must provide either clientSecret or fetchClientSecret, not both.");
    if (typeof fetchClientSecret !== "function" && !clientSecret) fail("fetchClientSecret must be a function that returns a promise.");
    if (onComplete !== undefined && typeof onComplete !== "function") fail("onComplete must be a function.");
    const page = embeddedPage(onComplete);
    current = page;
    page.secret = fetchClientSecret ? await fetchClientSecret() : clientSecret;
    if (!/^cs_test_\w+_secret_\w+$/.test(page.secret)) fail("The client secret must be of the form cs_test_…_secret_….");
    return page.handle;
  }

  function embeddedPage(onComplete) {
    const page = { secret: "", handle: { mount, unmount, destroy } };
    let frame = null;
    let destroyed = false;

    function mount(location) {
      if (destroyed) fail("This Embedded Checkout was destroyed and cannot be mounted again.");
      if (frame) fail("This Embedded Checkout is mounted already; unmount it first.");
      const target = typeof location === "string" ? document.querySelector(location) : location;
      if (!(target instanceof Element)) fail("mount() needs a selector or an element of this page.");
      if (target.getRootNode() instanceof ShadowRoot) fail("Embedded Checkout cannot be mounted in a shadow root.");
      if (!target.isConnected) fail("mount() needs a selector or an element of this page.");
      frame = document.createElement("iframe");
      frame.title = "Secure payment (test mode)";
      frame.allow = "payment *";
      Object.assign(frame.style, { width: "100%", height: "640px", border: "0", display: "block" });
      frame.src = `${origin}/embed/${page.secret}`;
      target.replaceChildren(frame);
      addEventListener("message", handleMessage);
    }

    function unmount() {
      removeEventListener("message", handleMessage);
      frame?.remove();
      frame = null;
    }

    function destroy() {
      unmount();
      destroyed = true;
      if (current === page) current = null;
    }

    function handleMessage({ source, origin: from, data }) {
      if (!frame || source !== frame.contentWindow || from !== origin) return;
      if (data?.sandboxCheckout === "height" && Number.isFinite(data.value)) frame.style.height = `${data.value}px`;
      if (data?.sandboxCheckout !== "complete") return;
      if (/^https?:/.test(data.value)) location.assign(data.value);
      else onComplete?.();
    }

    return page;
  }

  window.Stripe = Stripe;
})();
