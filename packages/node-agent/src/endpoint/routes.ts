export type GuestVerb = 'pause' | 'unpause' | 'softreboot' | 'reset';

export type Route =
  | { readonly to: 'healthz' }
  | { readonly to: 'metrics' }
  | { readonly to: 'upload'; readonly background: boolean; readonly namespace: string; readonly name: string }
  | { readonly to: 'verb'; readonly verb: GuestVerb; readonly namespace: string; readonly name: string }
  /** GET: what is known of a handover; PUT: a human's decision. */
  | { readonly to: 'handover'; readonly decide: boolean; readonly namespace: string; readonly name: string }
  | { readonly to: 'console'; readonly namespace: string; readonly name: string }
  | { readonly to: 'nowhere' };

const VMI =
  /^\/v1\/namespaces\/([^/]+)\/virtualmachineinstances\/([^/]+)\/(console|pause|unpause|softreboot|reset|resolve)$/;
/** `/background` answers once the image has arrived and fits; without it the answer comes when the claim is filled. */
const UPLOAD = /^\/v1\/upload\/namespaces\/([^/]+)\/persistentvolumeclaims\/([^/]+)(\/background)?$/;

/** What a request path means. */
export function routeOf(method: string, path: string): Route {
  if (path === '/healthz' && method === 'GET') return { to: 'healthz' };
  if (path === '/metrics' && method === 'GET') return { to: 'metrics' };
  const upload = UPLOAD.exec(path);
  if (upload && (method === 'PUT' || method === 'POST'))
    return {
      to: 'upload',
      background: upload[3] !== undefined,
      namespace: decodeURIComponent(upload[1] ?? ''),
      name: decodeURIComponent(upload[2] ?? ''),
    };
  const vmi = VMI.exec(path);
  if (!vmi) return { to: 'nowhere' };
  const target = { namespace: decodeURIComponent(vmi[1] ?? ''), name: decodeURIComponent(vmi[2] ?? '') };
  if (vmi[3] === 'console') return method === 'GET' ? { to: 'console', ...target } : { to: 'nowhere' };
  if (vmi[3] === 'resolve')
    return method === 'GET' || method === 'PUT'
      ? { to: 'handover', decide: method === 'PUT', ...target }
      : { to: 'nowhere' };
  // The cast is safe: the pattern allows these words only.
  return method === 'PUT' ? { to: 'verb', verb: vmi[3] as GuestVerb, ...target } : { to: 'nowhere' };
}
