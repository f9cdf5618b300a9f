/**
 * The block "Donation card" in the editor. The preview is the card itself. What is saved is a link to the campaign, which stays
 * readable without this plugin; card.php writes the card around it whenever the article is shown.
 *
 * This file runs as it is. WordPress provides `wp`; `donationCardSite` comes from donation-card.php.
 */
(({ blockEditor, blocks, components, element, i18n }, site) => {
  const { InspectorControls, useBlockProps } = blockEditor;
  const { Button, Disabled, Notice, PanelBody, Placeholder, SelectControl, TextControl } = components;
  const { createElement: el, Fragment, useEffect, useRef, useState } = element;
  const { __, sprintf } = i18n;

  const CAMPAIGN_ID = /^[a-z0-9][a-z0-9-]{0,63}$/;
  /** One id, or up to ten with spaces between them. */
  const CAMPAIGN_IDS = /^[a-z0-9][a-z0-9-]{0,63}( [a-z0-9][a-z0-9-]{0,63}){0,9}$/;
  const LANGUAGES = { en: 'English', be: 'Беларуская', de: 'Deutsch', lt: 'Lietuvių', pl: 'Polski', ru: 'Русский', uk: 'Українська' };

  /** Return the attributes that a link to a campaign stands for, or null if it leads elsewhere. */
  const cardAt = (address) => {
    try {
      const { origin, pathname, searchParams } = new URL(address.trim());
      const [, campaign = ''] = /^\/c\/([^/]+)\/?$/.exec(pathname) ?? [];
      return CAMPAIGN_ID.test(campaign) ? { service: origin, campaign, lang: searchParams.get('lang') ?? '' } : null;
    } catch {
      return null;
    }
  };

  /** Return the same, for services that an administrator has listed. */
  const listedCardAt = (address) => {
    const card = cardAt(address);
    return card && site.services.includes(card.service) ? card : null;
  };

  /** Return the address of the campaign's page, of several that of the first. */
  const urlOf = ({ service, campaign, lang }) => `${service}/c/${campaign.split(' ')[0]}${lang ? `?lang=${lang}` : ''}`;

  /** Return the links that stay readable without this plugin: address and text. The first one has the text of the block. */
  const linksOf = (attributes) => attributes.campaign.trim().split(' ').map((campaign, index) => {
    const url = urlOf({ ...attributes, campaign });
    return [url, index ? campaign : attributes.text || url];
  });

  /** Return the text of the link in the language of the card, such as "Give to BYSOL". It names the foundation, never a person. */
  const fetchText = async ({ service, campaign, lang }) => {
    const url = `${service}/v1/campaigns/${encodeURIComponent(campaign.trim())}?lang=${lang || site.language.replace(/-.*/, '')}`;
    const response = await fetch(url, { credentials: 'omit', referrerPolicy: 'no-referrer' });
    return response.ok ? (await response.json()).labels.dialog_title : '';
  };

  const noServices = () => __('An administrator must first enter the address of your donation service: Settings → Donation Card.', 'donation-card');
  const notListed = () => __('This site shows no cards of this service. An administrator can add its address under Settings → Donation Card.', 'donation-card');

  /** Ask for the campaign. */
  const Ask = ({ setAttributes }) => {
    const [typed, setTyped] = useState('');
    const [error, setError] = useState('');
    const submit = (event) => {
      event.preventDefault();
      const id = typed.trim().replace(/[\s,]+/g, ' ');
      const card = CAMPAIGN_IDS.test(id) ? { campaign: id, service: site.services[0] } : cardAt(typed);
      if (!card) setError(__('This is no address of a campaign.', 'donation-card'));
      else if (!site.services.includes(card.service)) setError(notListed());
      else setAttributes(card);
    };
    const example = urlOf({ service: site.services[0] ?? 'https://give.example.org', campaign: 'vitaly' });
    const form = el('form', { onSubmit: submit, style: { display: 'block', width: '100%' } },
      error && el(Notice, { status: 'error', isDismissible: false }, error),
      el(TextControl, {
        label: __('Address or ID of the campaign', 'donation-card'), value: typed, onChange: setTyped, placeholder: example,
        __next40pxDefaultSize: true, __nextHasNoMarginBottom: true,
      }),
      el(Button, { variant: 'primary', type: 'submit', style: { marginTop: '12px' } }, __('Insert the card', 'donation-card')));
    /* translators: %s: an address. */
    const help = sprintf(__('Paste the address of the campaign, for example %s.', 'donation-card'), example);
    return el(Placeholder, { icon: 'heart', label: __('Donation card', 'donation-card'), instructions: site.services.length ? help : noServices() },
      site.services.length > 0 && form);
  };

  /** Show the choices beside the article. A change of the address asks for a new text of the link. */
  const Choices = ({ attributes, setAttributes }) => {
    const { campaign, service, lang, layout, theme } = attributes;
    const select = (label, value, choices, onChange) => el(SelectControl, {
      label, value, onChange, options: Object.entries(choices).map(([key, text]) => ({ value: key, label: text })),
      __next40pxDefaultSize: true, __nextHasNoMarginBottom: true,
    });
    const services = Object.fromEntries([...new Set([...site.services, service])].map((each) => [each, each]));
    const layouts = {
      '': __('Follows the width', 'donation-card'), card: __('Everything', 'donation-card'),
      compact: __('Title, total and button', 'donation-card'), button: __('Only the button', 'donation-card'),
      bar: __('One line that readers can close', 'donation-card'),
    };
    const themes = {
      '': __('As on the page', 'donation-card'), light: __('Light', 'donation-card'), dark: __('Dark', 'donation-card'),
    };
    const languages = { '': __('Language of the page', 'donation-card'), ...LANGUAGES };
    return el(InspectorControls, null, el(PanelBody, { title: __('Donation card', 'donation-card') },
      el(TextControl, {
        label: __('Campaign', 'donation-card'), value: campaign, __next40pxDefaultSize: true,
        onChange: (value) => setAttributes({ ...(cardAt(value) ?? { campaign: value.replace(/[\s,]+/g, ' ').trimStart() }), text: '' }),
      }),
      select(__('Donation service', 'donation-card'), service, services, (value) => setAttributes({ service: value, text: '' })),
      select(__('Language', 'donation-card'), lang, languages, (value) => setAttributes({ lang: value, text: '' })),
      select(__('Layout', 'donation-card'), layout, layouts, (value) => setAttributes({ layout: value })),
      select(__('Colours', 'donation-card'), theme, themes, (value) => setAttributes({ theme: value }))));
  };

  /** Show the card itself, and say so if it cannot be loaded. A click selects the block, so the card does not react. */
  const Preview = ({ attributes }) => {
    const { campaign, service, lang, layout, theme, text } = attributes;
    const wrapper = useRef(null);
    const [failed, setFailed] = useState(false);
    useEffect(() => {
      const node = wrapper.current;
      const listen = ({ type }) => setFailed(type === 'donation-card-error');
      const names = ['donation-card-ready', 'donation-card-error'];
      for (const name of names) node.addEventListener(name, listen);
      return () => names.forEach((name) => node.removeEventListener(name, listen));
    }, []);
    const card = { campaign, 'api-origin': service, lang: lang || site.language, layout: layout || undefined, theme: theme || undefined };
    return el(Fragment, null,
      failed && el(Notice, { status: 'warning', isDismissible: false },
        __('The card cannot be loaded now. Check the campaign. Readers see a link.', 'donation-card')),
      el(Disabled, null, el('div', { ref: wrapper },
        el('donation-card', { ...card, key: JSON.stringify(card) }, campaign.split(' ').map((id) => {
          const url = urlOf({ ...attributes, campaign: id });
          return el('a', { href: url, key: id }, text || url);
        })))));
  };

  const edit = ({ attributes, setAttributes }) => {
    const { campaign, service, lang, text } = attributes;
    useEffect(() => {
      if (!service && site.services.length) setAttributes({ service: site.services[0] });
      if (!campaign || !service || text) return;
      let isCurrent = true;
      fetchText(attributes).then((found) => isCurrent && found && setAttributes({ text: found }), () => {});
      return () => (isCurrent = false);
    }, [campaign, service, lang, text]);
    const content = !campaign
      ? el(Ask, { setAttributes })
      : site.services.includes(service) && CAMPAIGN_IDS.test(campaign)
        ? el(Preview, { attributes })
        : el(Notice, { status: 'warning', isDismissible: false }, site.services.length ? notListed() : noServices());
    return el('div', useBlockProps(), campaign && el(Choices, { attributes, setAttributes }), content);
  };

  /** Save a link to each campaign. They must follow from the attributes alone, so that every editor saves the same. */
  const save = ({ attributes }) => attributes.campaign && attributes.service
    ? el('p', useBlockProps.save(), ...linksOf(attributes).flatMap(([href, text], index) => [index ? ' · ' : '', el('a', { href }, text)]))
    : null;

  const createCard = (address) => blocks.createBlock('donation-card/card', listedCardAt(address));

  blocks.registerBlockType('donation-card/card', {
    edit,
    save,
    transforms: {
      from: [
        // Before WordPress makes an embed of a pasted address (priority 10).
        { type: 'raw', priority: 5, isMatch: (node) => node.nodeName === 'P' && !!listedCardAt(node.textContent), transform: (node) => createCard(node.textContent) },
        { type: 'block', blocks: ['core/embed'], isMatch: ({ url }) => !!listedCardAt(url ?? ''), transform: ({ url }) => createCard(url) },
      ],
      to: [
        { type: 'block', blocks: ['core/paragraph'], transform: (attributes) => {
          const links = linksOf(attributes).map(([href, textContent]) => Object.assign(document.createElement('a'), { href, textContent }).outerHTML);
          return blocks.createBlock('core/paragraph', { content: links.join(' · ') });
        } },
      ],
    },
  });
})(window.wp, window.donationCardSite);
