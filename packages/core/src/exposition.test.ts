import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { gauge, render } from './exposition.ts';

describe('the text of metrics', () => {
  it('is what Prometheus reads', async () => {
    const { contentType, text } = await render([
      gauge('one', 'What "it" is', [{ labels: { name: 'a\\b"c\n' }, value: 1.5 }]),
      gauge('none', 'Nothing yet', []),
      { name: 'ended_total', help: 'Ended', type: 'counter', samples: [{ labels: {}, value: 2 }] },
    ]);
    expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(text.split('\n')).toEqual([
      '# HELP one What "it" is',
      '# TYPE one gauge',
      String.raw`one{name="a\\b\"c\n"} 1.5`,
      '',
      '# HELP none Nothing yet',
      '# TYPE none gauge',
      '',
      '# HELP ended_total Ended',
      '# TYPE ended_total counter',
      'ended_total 2',
      '',
    ]);
  });

  it('does not cost the memory of what nobody uses', async () => {
    await render([]);
    const loaded = Object.keys(createRequire(import.meta.url).cache);
    expect(loaded.some((path) => path.includes('prom-client'))).toBe(true);
    expect(loaded.filter((path) => path.includes('opentelemetry'))).toEqual([]);
  });
});
