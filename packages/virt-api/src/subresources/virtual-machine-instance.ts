import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ObjectReader, SubresourceReply, SubresourceRequest } from '@godwit/api-server';
import type { VirtualMachineInstance } from '@godwit/api';
import { isTrue, resources } from '@godwit/api';
import { callAgent, tunnelUpgrade } from '../agent-connection.ts';
import type { AgentCredentials } from '../agent-connection.ts';
import { badRequest, conflict, notFound } from '../refuse.ts';

function load(request: SubresourceRequest, reader: ObjectReader): VirtualMachineInstance {
  // The cast is safe: the reader returns objects of the kind it was asked for.
  const vmi = reader.get(resources.virtualMachineInstances, request.name, request.namespace) as
    | VirtualMachineInstance
    | undefined;
  if (!vmi) throw notFound('virtualmachineinstance.kubevirt.io', request.name);
  return vmi;
}

function pathOf(request: SubresourceRequest): string {
  return `/v1/namespaces/${request.namespace}/virtualmachineinstances/${request.name}/${request.subresource.join('/')}`;
}

/** Verbs that the agent of the VMI's node carries out: pause, unpause, softreboot, reset. */
export const agentVerbs = ['pause', 'unpause', 'softreboot', 'reset'] as const;

/** Checks the VMI's state, then lets its agent act; the agent's answer is passed on. */
export async function runAgentVerb(
  request: SubresourceRequest,
  reader: ObjectReader,
  credentials: AgentCredentials,
): Promise<SubresourceReply> {
  const vmi = load(request, reader);
  const verb = request.subresource[0] ?? '';
  if (vmi.status?.phase !== 'Running' || vmi.status.nodeName === undefined) throw conflict('VM is not running');
  const paused = isTrue(vmi.status.conditions, 'Paused');
  if (verb === 'unpause' && !paused) throw conflict('VMI is not paused');
  if (verb !== 'unpause' && paused) throw conflict(verb === 'pause' ? 'VMI is already paused' : 'VMI is paused');
  const reply = await callAgent(reader, vmi.status.nodeName, credentials, 'PUT', pathOf(request));
  return {
    code: reply.code,
    contentType: reply.contentType,
    ...(reply.body.length > 0 ? { body: new Uint8Array(reply.body) } : {}),
  };
}

/** Joins a console client with the agent that holds the guest's serial port. */
export async function openConsole(
  request: SubresourceRequest,
  reader: ObjectReader,
  credentials: AgentCredentials,
  raw: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const vmi = load(request, reader);
  if (vmi.status?.phase !== 'Running' || vmi.status.nodeName === undefined)
    throw badRequest(`VMI is not running; its phase is ${vmi.status?.phase ?? 'unset'}`);
  await tunnelUpgrade(reader, vmi.status.nodeName, credentials, pathOf(request), raw, socket, head);
}
