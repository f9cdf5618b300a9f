import type { DetailedHTMLProps, HTMLAttributes } from 'react';
import type { DonationCardAttributes, DonationCardElement, DonationCardEventMap } from './donation-card.js';

export * from './donation-card.js';

/** React 19 adds a listener for each property that begins with `on`: `ondonation-card-open={…}`. */
type DonationCardListeners = { [Name in keyof DonationCardEventMap as `on${Name}`]?: (event: DonationCardEventMap[Name]) => void };

type DonationCardProps = Omit<DetailedHTMLProps<HTMLAttributes<DonationCardElement>, DonationCardElement>, keyof DonationCardAttributes> &
  DonationCardAttributes & DonationCardListeners;

declare module 'react' {
  namespace JSX {
    interface IntrinsicElements {
      'donation-card': DonationCardProps;
    }
  }
}
