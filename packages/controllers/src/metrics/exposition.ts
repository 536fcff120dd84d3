type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** One metric with all its samples. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'histogram';
  readonly samples: readonly (Sample & {
    /** Of a histogram: name with `_bucket`, `_sum` or `_count`. */
    readonly metricName?: string;
  })[];
}

export function gauge(name: string, help: string, samples: readonly Sample[]): Family {
  return { name, help, type: 'gauge', samples };
}

/** In Prometheus' text format. The library is loaded on first use: most clusters are never asked. */
export async function render(
  families: readonly Family[],
): Promise<{ readonly contentType: string; readonly text: string }> {
  const { AggregatorRegistry } = await import('prom-client');
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
