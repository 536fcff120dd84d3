import { names } from '@godwit/api';
import type { UploadTokenRequest } from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import type { ImageFile } from './image-file.ts';
import { copyingLine, sendingLine } from './render.ts';
import { sendImage } from './send.ts';
import type { Door, Sent } from './send.ts';
import { claimOf, failed, isFilled, nameOf } from './work.ts';
import type { Work } from './work.ts';

const PAUSE_MS = 2000;
/** A process that is gone is started again; that may take a minute on a busy machine. */
const PATIENT_ATTEMPTS = 60;
/** The image arrived, at least in part, and came to nothing: it is not sent over and over. */
const ATTEMPTS = 3;

/** How often sending is tried when it ended like this. */
export function attemptsFor(sent: Sent): number {
  if (sent.is === 'broken') return PATIENT_ATTEMPTS;
  if (sent.code === 502 || sent.code === 503) return PATIENT_ATTEMPTS;
  return sent.code === 400 || sent.code >= 500 ? ATTEMPTS : 1;
}

/** Sends the image until the claim is filled, again where that may help. Rejects with `UPLOAD_FAILED`. */
export async function deliver(work: Work, image: ImageFile, door: Door): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const sent = await sendOnce(work, image, door);
    if (sent.is === 'answered' && sent.code === 200) return;
    // An answer may be lost on its way back, and the claim is filled all the same.
    if (isFilled(await claimNow(work))) return;
    const why = sent.is === 'answered' ? `${sent.text} (HTTP ${sent.code})` : sent.error.message;
    if (attempt >= attemptsFor(sent)) throw failed(work, why);
    work.line.update(`Not yet: ${why}; trying again`, why);
    await pause(work);
    if (sent.is === 'broken' && sent.whole) await untilSettled(work);
    if (isFilled(await claimNow(work))) return;
  }
}

async function sendOnce(work: Work, image: ImageFile, door: Door): Promise<Sent> {
  const { line, signal } = work;
  const startedMs = Date.now();
  const ended = new AbortController();
  let watching: Promise<void> | undefined;
  const onBytes = (sent: number): void => {
    line.update(sendingLine(nameOf(work), sent, image.lengthBytes, Date.now() - startedMs), 'sending');
    if (sent >= image.lengthBytes) watching ??= showCopying(work, ended.signal);
  };
  try {
    return await sendImage(image, await tokenFor(work), door, { signal, onBytes });
  } catch (error) {
    // Asking for the token may fail for the same passing reasons as sending.
    signal.throwIfAborted();
    return { is: 'broken', whole: false, error: error instanceof Error ? error : new Error(String(error)) };
  } finally {
    ended.abort();
    await watching;
  }
}

async function tokenFor({ client, name, namespace }: Work): Promise<string> {
  const group = 'upload.cdi.kubevirt.io/v1beta1';
  const body: UploadTokenRequest = {
    apiVersion: group,
    kind: 'UploadTokenRequest',
    metadata: { generateName: 'token-for-godwit-' },
    spec: { pvcName: name },
  };
  const path = `/apis/${group}/namespaces/${encodeURIComponent(namespace)}/uploadtokenrequests`;
  // The cast is safe: the API server answers with the object, its status filled in.
  const reply = (await client.request('POST', path, body)) as UploadTokenRequest;
  return reply.status?.token ?? '';
}

/** Shows the agent's figures until `signal`; never rejects. */
async function showCopying(work: Work, signal: AbortSignal): Promise<void> {
  const look = async (): Promise<boolean> => {
    const progress = (await claimOf(work))?.metadata.annotations?.[names.populationProgressAnnotation];
    if (!signal.aborted) work.line.update(copyingLine(nameOf(work), progress), 'copying');
    return signal.aborted;
  };
  const forEver = { timeoutMs: Number.MAX_SAFE_INTEGER, intervalMs: 250, what: 'the copy', signal };
  await waitFor(look, forEver).catch(() => undefined);
}

/** Undefined also when the API server does not answer. */
async function claimNow(work: Work): ReturnType<typeof claimOf> {
  return claimOf(work).catch(() => undefined);
}

async function pause({ signal }: Work): Promise<void> {
  const until = Date.now() + PAUSE_MS;
  await waitFor(() => Date.now() >= until, { timeoutMs: 2 * PAUSE_MS, intervalMs: 100, what: 'a pause', signal });
}

/** After the connection broke behind a whole image: the agent may be filling the claim with it. */
async function untilSettled(work: Work): Promise<void> {
  const settled = async (): Promise<boolean> => {
    const claim = await claimNow(work);
    const message = claim?.metadata.annotations?.[names.populationMessageAnnotation] ?? '';
    return isFilled(claim) || message.startsWith('Waiting for the upload');
  };
  const what = `${nameOf(work)} to be filled`;
  await waitFor(settled, { timeoutMs: 600_000, intervalMs: 500, what, signal: work.signal });
}
