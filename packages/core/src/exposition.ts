import { createRequire } from 'node:module';
import type { AggregatorRegistry as Registry } from 'prom-client';

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** One metric with all its samples. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter' | 'histogram';
  readonly samples: readonly (Sample & {
    /** Of a histogram: name with `_bucket`, `_sum` or `_count`. */
    readonly metricName?: string;
  })[];
}

export function gauge(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, help, type: 'gauge', samples };
}

/**
 * In Prometheus' text format. The library is loaded on first use (most processes are never asked), and of it only what
 * writes: its index loads OpenTelemetry as well, for metrics of processes that nobody reads here, and takes 7 MiB.
 */
export async function render(
  families: readonly Family[],
): Promise<{ readonly contentType: string; readonly text: string }> {
  // The cast is safe: the library's index exports this very module by that name.
  const AggregatorRegistry = createRequire(import.meta.url)('prom-client/lib/cluster') as typeof Registry;
  const metrics = families.map(({ name, help, type, samples }) => ({
    name,
    help,
    type,
    values: samples,
    aggregator: 'first',
  }));
  const registry = AggregatorRegistry.aggregate([metrics]);
  return { contentType: registry.contentType, text: await registry.metrics() };
}
