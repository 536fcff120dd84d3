import { encode, moves, type Move, type World, type WorldOptions } from './world.ts';

/** Every reachable world, breadth first, with the moves between them as indices. */
export interface Reached {
  readonly worlds: readonly World[];
  /** For each world: the moves out of it; `to` is an index into `worlds`. */
  readonly edges: readonly (readonly {
    readonly to: number;
    readonly name: string;
    readonly kind: Move['kind'];
    readonly alone: Move['alone'];
    readonly human: boolean;
  }[])[];
  /** Shortest way to a world, for messages. */
  path(index: number): string;
}

export function explore(start: World, options: WorldOptions): Reached {
  const worlds = [start];
  const index = new Map([[encode(start), 0]]);
  const parents: { from: number; name: string }[] = [{ from: -1, name: 'start' }];
  const edges: Edge[][] = [];
  for (let at = 0; at < worlds.length; at += 1) {
    const world = worlds[at];
    if (world === undefined) break;
    edges.push(
      moves(world, options).map(({ world: next, name, kind, alone, human }) => {
        const key = encode(next);
        let to = index.get(key);
        if (to === undefined) {
          to = worlds.length;
          index.set(key, to);
          worlds.push(next);
          parents.push({ from: at, name });
        }
        return { to, name, kind, alone, human };
      }),
    );
  }
  const path = (target: number): string => {
    const names: string[] = [];
    for (let at = target; at > 0;) {
      const parent = parents[at];
      if (parent === undefined) break;
      names.unshift(parent.name);
      at = parent.from;
    }
    return names.join(' → ');
  };
  return { worlds, edges, path };
}

type Edge = Reached['edges'][number][number];

/** What is left of `reached` when only the edges that `follow` accepts can be gone. */
export function restrict(reached: Reached, follow: (edge: Edge) => boolean): Reached {
  const old = [0];
  const index = new Map([[0, 0]]);
  const edges: Edge[][] = [];
  for (let at = 0; at < old.length; at += 1) {
    const out: Edge[] = [];
    for (const edge of reached.edges[old[at] ?? 0] ?? []) {
      if (!follow(edge)) continue;
      let to = index.get(edge.to);
      if (to === undefined) {
        to = old.length;
        index.set(edge.to, to);
        old.push(edge.to);
      }
      out.push({ ...edge, to });
    }
    edges.push(out);
  }
  return {
    // The cast is safe: the numbers are of worlds.
    worlds: old.map((at) => reached.worlds[at] as World),
    edges,
    path: (at) => reached.path(old[at] ?? 0),
  };
}

/** Which worlds can reach one that satisfies `goal` over edges that `follow` accepts. */
export function canReach(
  reached: Reached,
  goal: (world: World) => boolean,
  follow: (edge: Edge) => boolean,
): boolean[] {
  const reverse: number[][] = reached.worlds.map(() => []);
  reached.edges.forEach((out, from) => {
    for (const edge of out) if (follow(edge)) reverse[edge.to]?.push(from);
  });
  const good = reached.worlds.map(goal);
  const queue = good.flatMap((yes, at) => (yes ? [at] : []));
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    for (const from of reverse[at] ?? []) {
      if (good[from] === true) continue;
      good[from] = true;
      queue.push(from);
    }
  }
  return good;
}
