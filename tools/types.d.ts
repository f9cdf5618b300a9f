/**
 * The JSON documents of the service, for the type checker of the scripts. openapi.yaml describes them. Its schemas and the
 * service's `TypedDict`s have the same names and fields; tests/integration/web/test_documents.py compares the three.
 */

type CampaignStatus = 'open' | 'paused' | 'closed' | 'hidden';
type NeedStatus = 'funded' | 'next' | 'to_come';
type ProgressStage = 'just_started' | 'under_way' | 'funded';

/** GET /v1/campaigns/{id} */
interface CampaignCard {
  id: string;
  lang: string;
  dir: 'ltr' | 'rtl';
  status: CampaignStatus;
  eyebrow: string;
  title: string;
  summary: string;
  story: string[];
  picture: CardPicture | null;
  needs: CardNeed[];
  progress: CardProgress;
  update: string | null;
  labels: CardLabels;
  urls: CardUrls;
  languages: CardLanguage[];
  notice: string | null;
  test_mode_text: string | null;
  emit_complete_event: boolean;
}

interface PictureFile {
  url: string;
  type: string;
  width: number;
  height: number;
}

interface CardPicture {
  url: string;
  width: number;
  height: number;
  alt: string;
  credit: string;
  files: PictureFile[];
}

interface CardNeed {
  id: string;
  title: string;
  amount: string;
  goal_fraction: number;
  funded_fraction: number;
  status: NeedStatus;
  status_text: string;
  spent_text: string;
  receipts_text: string;
}

interface CardProgress {
  stage: ProgressStage;
  percent: number;
  raised_text: string;
  goal_text: string;
  aria_text: string;
  current_label: string;
  current_need: string;
  missing_text: string;
  as_of_text: string;
  next_update_at: string | null;
  stale: boolean;
}

interface CardLabels {
  donate: string;
  story: string;
  assurance: string;
  close: string;
  dialog_title: string;
  language: string;
  needs: string;
  new_tab: string;
}

interface CardUrls {
  donate: string;
  page: string;
}

interface CardLanguage {
  lang: string;
  name: string;
}

/** GET /v1/campaigns/{id} with several ids */
interface CampaignList {
  lang: string;
  dir: 'ltr' | 'rtl';
  status: CampaignStatus;
  eyebrow: string;
  title: string;
  summary: string;
  story: string[];
  picture: CardPicture | null;
  campaigns: CampaignRow[];
  progress: CardProgress;
  update: string | null;
  labels: CardLabels;
  urls: CardUrls;
  languages: CardLanguage[];
  notice: string | null;
  test_mode_text: string | null;
  emit_complete_event: boolean;
}

interface CampaignRow {
  id: string;
  lang: string;
  title: string;
  amount: string;
  goal_fraction: number;
  funded_fraction: number;
  status: CampaignStatus;
  status_text: string;
  note: string;
  donate_url: string | null;
}

/** GET /v1/campaigns/{id}/progress */
interface CampaignProgress {
  campaign: string;
  currency: string;
  goal: number;
  raised: number;
  percent: number;
  stage: ProgressStage;
  needs: ProgressNeed[];
  as_of: string;
  next_update_at: string | null;
  stale: boolean;
}

interface ProgressNeed {
  id: string;
  amount: number;
  funded: number;
  status: NeedStatus;
}

/** GET /v1/campaigns/{id}/sites/{host} */
interface SiteProgress {
  campaign: string;
  host: string;
  currency: string;
  raised: number;
  step: number;
  as_of: string;
  next_update_at: string;
  stale: boolean;
}

/** GET /v1/campaigns/{id}/spending */
interface CampaignSpending {
  campaign: string;
  lang: string;
  currency: string;
  spent: number;
  spent_text: string;
  needs: NeedSpending[];
  spendings: SpendingEntry[];
}

interface NeedSpending {
  id: string;
  title: string;
  spent: number;
  spent_text: string;
  receipts_text: string;
  over_text: string;
}

interface Receipt {
  url: string;
  width: number;
  height: number;
  alt: string;
}

interface SpendingEntry {
  id: string;
  need: string;
  date: string;
  date_text: string;
  amount: number;
  amount_text: string;
  text: string;
  receipt: Receipt | null;
}

/** POST /v1/checkout-sessions */
interface CheckoutRequest {
  form_token: string;
  amount: string;
  ui_mode?: 'embedded' | 'hosted';
  replaces_session?: string;
  lang?: string;
  cover_fee?: boolean;
  proof?: string;
}

interface CheckoutSession {
  session_token: string;
  ui_mode: 'embedded' | 'hosted';
  amount: number;
  currency: string;
  expires_at: string;
  client_secret?: string;
  url?: string;
}

/** GET /v1/checkout-sessions/{session_token} */
interface CheckoutStatus {
  status: 'open' | 'processing' | 'paid' | 'expired';
  title: string;
  paragraphs: string[];
  records_title: string;
  records: string[];
}

/** GET /v1/challenge: a proof of work in ALTCHA's format, version 2, whose names are camel case. */
interface Challenge {
  parameters: ChallengeParameters;
  signature: string;
}

interface ChallengeParameters {
  algorithm: string;
  nonce: string;
  salt: string;
  cost: number;
  keyLength: number;
  keyPrefix: string;
  keySignature: string;
  expiresAt: number;
  data: ChallengeData;
}

interface ChallengeData {
  form_hash: string;
}

/** GET /c/{id}/embed */
interface EmbedCode {
  code: string;
  policy: string;
  preview: string;
  reserved_height: string;
}

/** GET /oembed, https://oembed.com */
interface OEmbed {
  version: string;
  type: string;
  title: string;
  provider_name: string;
  provider_url: string;
  cache_age: number;
  html: string;
  width: number;
  height: number;
  thumbnail_url?: string;
  thumbnail_width?: number;
  thumbnail_height?: number;
}

/** POST /v1/stripe/webhook */
interface WebhookResult {
  outcome: 'applied' | 'unchanged' | 'ignored';
  reason?: string;
  client_network?: 'known' | 'unknown';
}

/** GET /healthz */
interface Liveness {
  status: string;
  version: string;
}

/** GET /readyz */
interface Readiness {
  ready: boolean;
  components: Record<string, ReadinessComponent>;
  warnings: string[];
  attack_mode: AttackMode;
}

interface ReadinessComponent {
  ready: boolean;
  reason?: string;
  age_seconds?: number | null;
}

interface AttackMode {
  level: number;
  max_level: number;
  forced: boolean;
}

/** Every error, RFC 9457. */
interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  request_id: string;
  params?: Record<string, string | number>;
  fallback_url?: string;
}

/** Data of the giving page for its script, in `data-page` of the form. It is not part of the API. */
interface GivingPage {
  stripe: GivingPageStripe;
  amount_format: AmountFormat;
  minor_per_major: number;
  allow_minor_units: boolean;
  emit_complete_event: boolean;
  fundable_needs: FundableNeed[];
  card_fee_basis_points: number;
  card_fee_fixed: number;
  challenge_solver_url: string;
  texts: GivingPageTexts;
}

interface GivingPageStripe {
  publishable_key: string;
  script_url: string;
  script_origins: string[];
}

/** `pattern` has `{n}` where the digits stand; `group` and `decimal` are the separators. */
interface AmountFormat {
  pattern: string;
  group: string;
  decimal: string;
}

/** A need that is not funded yet; amounts in minor units. */
interface FundableNeed {
  title: string;
  amount: number;
  remaining: number;
}

interface GivingPageTexts {
  effect_now: string;
  effect: string;
  effect_covers: string;
  effect_surplus: string;
  all_funded: string;
  fees: string;
  fee_of_gift: string;
  cover_fee: string;
  open: string;
  open_with: string;
  continue: string;
  continue_with: string;
  paying: string;
  amount_missing: string;
  failed: string;
  challenge_running: string;
  challenge_failed: string;
  sandboxed: string;
}

interface Window {
  trustedTypes?: { createPolicy(name: string, rules: { createScriptURL(url: string): string | null }): unknown };
  Stripe?: import('@stripe/stripe-js').StripeConstructor;
}

interface HTMLElementTagNameMap {
  'donation-card': HTMLElement;
}
