import { ApiError } from '../api-error.ts';

interface MediaRange {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
}

export type Transform = 'none' | 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList';

/** How an answer is to be written. */
export interface Negotiated {
  readonly format: 'json' | 'yaml';
  readonly transform: Transform;
}

function parseAccept(header: string): MediaRange[] {
  return header
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '')
    .map((text) => {
      const [type = '', ...rest] = text.split(';').map((part) => part.trim());
      const parameters = rest.map((part): [string, string] => {
        const at = part.indexOf('=');
        return at < 0 ? [part, ''] : [part.slice(0, at), part.slice(at + 1)];
      });
      return { type: type.toLowerCase(), parameters: new Map(parameters) };
    });
}

function formatOf(type: string): Negotiated['format'] | undefined {
  if (type === '*/*' || type === 'application/*' || type === 'application/json') return 'json';
  return type === 'application/yaml' ? 'yaml' : undefined;
}

export function notAcceptable(offered: readonly string[]): ApiError {
  const message = `only the following media types are accepted: ${offered.join(', ')}`;
  return new ApiError({ code: 406, reason: 'NotAcceptable', message, details: {} });
}

/** First acceptable entry of an Accept header; 406 when there is none. */
export function negotiate(header: string | undefined, transforms: readonly Transform[]): Negotiated {
  const ranges = parseAccept(header ?? '');
  if (ranges.length === 0) return { format: 'json', transform: 'none' };
  for (const { type, parameters } of ranges) {
    const format = formatOf(type);
    if (format === undefined) continue;
    const as = parameters.get('as');
    if (as === undefined) return { format, transform: 'none' };
    const isMeta = parameters.get('g') === 'meta.k8s.io' && parameters.get('v') === 'v1';
    const transform = transforms.find((one) => one === as);
    if (isMeta && transform !== undefined) return { format, transform };
  }
  throw notAcceptable(['application/json', 'application/yaml']);
}

/** Whether aggregated discovery is wanted, in which version; `undefined` means the legacy form. 406 when neither is. */
export function negotiateDiscovery(header: string | undefined): 'v2' | 'v2beta1' | undefined {
  const ranges = parseAccept(header ?? '');
  if (ranges.length === 0) return undefined;
  for (const { type, parameters } of ranges) {
    if (formatOf(type) === undefined) continue;
    const as = parameters.get('as');
    if (as === undefined) return undefined;
    if (as !== 'APIGroupDiscoveryList' || parameters.get('g') !== 'apidiscovery.k8s.io') continue;
    const version = parameters.get('v');
    if (version === 'v2' || version === 'v2beta1') return version;
  }
  throw notAcceptable(['application/json', 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList']);
}
