import { stringifyJson } from '@godwit/store';
import type { ApiError } from '../api-error.ts';
import type { Negotiated } from './accept.ts';
import type { Exchange } from './exchange.ts';

function wantsPretty(exchange: Exchange): boolean {
  const asked = exchange.query.get('pretty');
  if (asked !== null) return asked !== 'false' && asked !== '0';
  return /^(?:curl|Wget|Mozilla)\b/.test(exchange.header('user-agent') ?? '');
}

/** Sends a value as JSON or YAML, with the warnings collected so far. */
export async function sendValue(
  exchange: Exchange,
  code: number,
  value: unknown,
  format: Negotiated['format'] = 'json',
): Promise<void> {
  if (format === 'yaml') {
    const { stringify } = await import('yaml');
    const text = stringify(value, { schema: 'core', aliasDuplicateObjects: false });
    await exchange.sink.send(code, 'application/yaml', text, exchange.warnings);
    return;
  }
  const text = stringifyJson(value, wantsPretty(exchange) ? 2 : undefined);
  await exchange.sink.send(code, 'application/json', `${text}\n`, exchange.warnings);
}

export async function sendText(exchange: Exchange, code: number, text: string): Promise<void> {
  await exchange.sink.send(code, 'text/plain; charset=utf-8', text);
}

/** What Kubernetes answers to paths it knows nothing of. */
export async function sendUnknownPath(exchange: Exchange): Promise<void> {
  exchange.sink.setHeader('X-Content-Type-Options', 'nosniff');
  await sendText(exchange, 404, '404 page not found\n');
}

export async function sendError(exchange: Exchange, error: ApiError): Promise<void> {
  const retry = error.statusDetails?.retryAfterSeconds;
  if (retry !== undefined) exchange.sink.setHeader('Retry-After', String(retry));
  await sendValue(exchange, error.httpCode, error.toStatus());
}
