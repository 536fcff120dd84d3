/**
 * A module's file and the modules it needs, read from its `.modinfo` section. Names use underscores throughout, because
 * `depends=` and file names disagree about dashes.
 */
export interface KernelModule {
  readonly name: string;
  readonly path: string;
  readonly depends: readonly string[];
}

export function moduleName(path: string): string {
  return path
    .slice(path.lastIndexOf('/') + 1)
    .replace(/\.ko$/, '')
    .replaceAll('-', '_');
}

export function dependsOf(file: Buffer): readonly string[] {
  const at = file.indexOf('\0depends=');
  if (at < 0) return [];
  const start = at + '\0depends='.length;
  const list = file.toString('latin1', start, file.indexOf(0, start));
  return list === ''
    ? []
    : list
        .split(',')
        .toSorted()
        .map((name) => name.replaceAll('-', '_'));
}

/** `wanted` and all they need, each after what it depends on. Names that `load` does not know are built in: left out. */
export function loadOrder(
  wanted: readonly string[],
  load: (name: string) => KernelModule | undefined,
): readonly KernelModule[] {
  const order = new Map<string, KernelModule>();
  const visiting = new Set<string>();
  const visit = (name: string): void => {
    if (order.has(name) || visiting.has(name)) return;
    visiting.add(name);
    const module = load(name);
    if (module === undefined) return;
    for (const needed of module.depends) visit(needed);
    order.set(name, module);
  };
  for (const name of wanted) visit(name);
  return [...order.values()];
}
