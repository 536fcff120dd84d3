import { expect, it } from 'vitest';
import { customResourceDefinitions } from './crds.ts';

interface Version {
  readonly additionalPrinterColumns?: readonly { readonly name: string; readonly priority?: number }[];
}

it('a migration tells its story in the columns that everybody sees', () => {
  const crd = customResourceDefinitions().find(
    ({ metadata }) => metadata.name === 'virtualmachineinstancemigrations.kubevirt.io',
  );
  // The cast is safe: the definitions are made by us, with versions.
  const spec = crd?.['spec'] as { versions: readonly Version[] } | undefined;
  const versions = spec?.versions ?? [];
  expect(versions.length).toBeGreaterThan(0);
  for (const { additionalPrinterColumns = [] } of versions) {
    const shown = additionalPrinterColumns.filter(({ priority = 0 }) => priority === 0).map(({ name }) => name);
    expect(shown).toEqual(['Phase', 'VMI', 'Method', 'Stage', 'Done', 'Total', 'Waiting', 'Age']);
  }
});
