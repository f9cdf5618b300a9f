/** What the scripts get from the service, for the type checker only; the contract is openapi.yaml (schemas Card, Problem, …). */

interface Card {
  id: string;
  lang: string;
  dir: 'ltr' | 'rtl';
  status: 'open' | 'paused' | 'closed' | 'hidden';
  kicker: string;
  title: string;
  summary: string;
  story: string[];
  needs: CardNeed[];
  progress: {
    stage: 'just_started' | 'under_way' | 'funded';
    percent: number;
    figure: string;
    goal: string;
    text: string;
    when: string;
    next_change: string | null;
    stale: boolean;
  };
  update: string | null;
  labels: Record<'donate' | 'story' | 'foot' | 'close' | 'frame' | 'language' | 'needs' | 'new_tab', string>;
  urls: { give: string; page: string };
  languages: { lang: string; name: string }[];
  notice: string | null;
  ribbon: string | null;
  complete_event: boolean;
}

interface CardNeed {
  id: string;
  title: string;
  amount: string;
  share: number;
  filled: number;
  state: 'funded' | 'next' | 'to_come';
  note: string;
}

interface CheckoutSession {
  handle: string;
  shape: 'embedded' | 'hosted';
  amount: number;
  currency: string;
  expires_at: string;
  client_secret?: string;
  url?: string;
}

interface CheckoutState {
  status: 'open' | 'processing' | 'paid' | 'expired';
  title: string;
  paragraphs: string[];
}

interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  evidence?: Record<string, string | number>;
  fallback_url?: string;
}

/** What the giving page tells its script, in `data-page` of the form. */
interface GivingPage {
  stripe: { key: string; script: string };
  format: { pattern: string; group: string; decimal: string };
  unit: number;
  decimals: boolean;
  complete_event: boolean;
  needs: { share: number; filled: number }[];
  reach: { title: string; missing: number; text: string }[];
  solver: string;
  texts: Record<'beyond' | 'continue' | 'continue_with' | 'paying' | 'amount_missing' | 'failed' | 'checking' | 'unchecked', string>;
}

/** A proof of work, in ALTCHA's format (version 2). */
interface Challenge {
  parameters: { nonce: string; salt: string; cost: number; keyPrefix: string };
  signature: string;
}

interface Window {
  trustedTypes?: { createPolicy(name: string, rules: { createScriptURL(wanted: string): string | null }): unknown };
  Stripe?: import('@stripe/stripe-js').StripeConstructor;
}

interface HTMLElementTagNameMap {
  'donation-card': HTMLElement;
}
