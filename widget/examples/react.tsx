import 'donation-card/react';
import { useState } from 'react';

/** An article with a card. It says what the card did last. */
export function Article({ host }: { host: string }) {
  const [last, setLast] = useState('');
  const note = (event: Event) => setLast(event.type);
  return (
    <article>
      <donation-card campaign="vitaly" lang="en" ondonation-card-ready={note} ondonation-card-open={note}>
        <a href={`${host}/c/vitaly`} referrerPolicy="strict-origin">Give to BYSOL</a>
      </donation-card>
      <output>{last}</output>
    </article>
  );
}
