import { names, populationKind, responsibleNode } from '@godwit/api';
import type { PersistentVolume, PersistentVolumeClaim } from '@godwit/api';
import { isReachable } from '../volumes/location.ts';
import { volumeMarks } from '../volumes/names.ts';

export type PopulationSource =
  | { readonly kind: 'blank' }
  | { readonly kind: 'upload' }
  | { readonly kind: 'http'; readonly url: string }
  | { readonly kind: 'registry'; readonly reference: string };

/** A source that the agent reads by itself. */
export type FetchedSource = Exclude<PopulationSource, { readonly kind: 'upload' }>;

export type PopulationPlan =
  | { readonly do: 'nothing'; readonly because: string }
  | { readonly do: 'fill'; readonly source: FetchedSource }
  | { readonly do: 'offer-upload' }
  | { readonly do: 'refuse'; readonly message: string };

function nothing(because: string): PopulationPlan {
  return { do: 'nothing', because };
}

/** What is written into the claim, from CDI's annotations; `undefined` for claims nobody fills. */
export function populationSource(
  pvc: PersistentVolumeClaim,
): PopulationSource | { kind: 'unknown'; text: string } | undefined {
  const kind = populationKind(pvc);
  const endpoint = pvc.metadata.annotations?.[names.importEndpointAnnotation] ?? '';
  switch (kind) {
    case undefined:
      return undefined;
    case 'blank':
    case 'none':
      return { kind: 'blank' };
    case 'upload':
      return { kind: 'upload' };
    case 'http':
    case 'https':
      return { kind: 'http', url: endpoint };
    case 'registry':
      return { kind: 'registry', reference: endpoint };
    default:
      return { kind: 'unknown', text: kind };
  }
}

/** The node that fills a claim: the responsible one, or this one when it can reach a volume nobody is responsible for. */
export function decidePopulation(
  pvc: PersistentVolumeClaim,
  pv: PersistentVolume | undefined,
  nodeName: string,
): PopulationPlan {
  const source = populationSource(pvc);
  if (source === undefined) return nothing('nobody fills this claim');
  if (pvc.metadata.deletionTimestamp !== undefined) return nothing('being deleted');
  if (pvc.status?.phase !== 'Bound' || pv === undefined) return nothing('not bound yet');
  if (pv.metadata.annotations?.[volumeMarks.provisioned] !== 'true') return nothing('volume does not exist yet');
  if (responsibleNode(pv) !== nodeName || !isReachable(pv, nodeName)) return nothing('another node is responsible');
  const phase = pvc.metadata.annotations?.[names.populationPhaseAnnotation];
  if (phase === 'Succeeded' || phase === 'Failed') return nothing(`already ${phase}`);
  if (source.kind === 'unknown') return { do: 'refuse', message: `source "${source.text}" is not supported` };
  if (source.kind !== 'upload') return { do: 'fill', source };
  return pvc.metadata.annotations?.[names.contentTypeAnnotation] === 'archive'
    ? { do: 'refuse', message: 'archives cannot be uploaded here, only disk images' }
    : { do: 'offer-upload' };
}
