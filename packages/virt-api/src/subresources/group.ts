import type { SubresourceGroup, SubresourceReply } from '@godwit/api-server';
import type { AgentCredentials } from '../agent-connection.ts';
import { conflict, notFound, notServed } from '../refuse.ts';
import { cancelEvacuation } from './evacuation.ts';
import { reportHandover, resolveHandover } from './handover.ts';
import { agentVerbs, openConsole, runAgentVerb } from './virtual-machine-instance.ts';
import { virtualMachineVerbs } from './virtual-machine.ts';
import { changeInstanceVolumes, changeMachineVolumes, volumeVerbs } from './volumes.ts';

/** Version that virtctl compares itself with; the release whose API the local runtime follows. */
export const kubeVirtVersion = 'v1.9.0';

const VERSION_INFO: SubresourceReply = {
  code: 200,
  body: {
    major: '1',
    minor: '9',
    gitVersion: kubeVirtVersion,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: '',
    compiler: '',
    platform: 'linux/amd64',
  },
};

/** `subresources.kubevirt.io`: the verbs of virtctl. */
export function kubeVirtSubresources(credentials: AgentCredentials): SubresourceGroup {
  return {
    group: 'subresources.kubevirt.io',
    versions: ['v1', 'v1alpha3'],
    resources: [
      ...Object.keys(virtualMachineVerbs).map((verb) => ({ name: `virtualmachines/${verb}`, namespaced: true })),
      ...[...agentVerbs, 'console', 'resolve', 'guestosinfo', 'userlist', 'filesystemlist'].map((verb) => ({
        name: `virtualmachineinstances/${verb}`,
        namespaced: true,
      })),
      ...['virtualmachines', 'virtualmachineinstances'].flatMap((kind) =>
        [...volumeVerbs, 'evacuate/cancel'].map((verb) => ({ name: `${kind}/${verb}`, namespaced: true })),
      ),
      { name: 'version', namespaced: false },
      { name: 'healthz', namespaced: false },
    ],
    async handle(request, writer) {
      const verb = request.subresource[0] ?? '';
      if (request.plural === 'version') return VERSION_INFO;
      if (request.plural === 'healthz') return { code: 200, body: { apiserver: { connectivity: 'ok' } } };
      const ofMachine = ['virtualmachines', 'virtualmachineinstances'].includes(request.plural);
      if (ofMachine && request.method === 'PUT' && request.subresource.join('/') === 'evacuate/cancel')
        return await cancelEvacuation(request, writer);
      if (ofMachine && request.method === 'PUT' && volumeVerbs.some((known) => known === verb))
        return request.plural === 'virtualmachines'
          ? await changeMachineVolumes(request, writer)
          : await changeInstanceVolumes(request, writer);
      if (request.plural === 'virtualmachines') {
        const run = virtualMachineVerbs[verb];
        if (!run || request.method !== 'PUT') throw notServed(`${request.method} virtualmachines/${verb}`);
        return await run(request, writer);
      }
      if (request.plural === 'virtualmachineinstances') {
        if (agentVerbs.some((known) => known === verb) && request.method === 'PUT')
          return await runAgentVerb(request, writer, credentials);
        if (verb === 'resolve' && request.method === 'GET') return await reportHandover(request, writer, credentials);
        if (verb === 'resolve' && request.method === 'PUT') return await resolveHandover(request, writer, credentials);
        if (['guestosinfo', 'userlist', 'filesystemlist'].includes(verb)) {
          throw conflict('VMI does not have a guest agent connected');
        }
        throw notServed(`${request.method} virtualmachineinstances/${verb}`);
      }
      throw notFound(request.plural, request.name);
    },
    async upgrade(request, raw, socket, head, reader) {
      if (request.plural !== 'virtualmachineinstances' || request.subresource[0] !== 'console')
        throw notServed(`${request.plural}/${request.subresource.join('/')}`);
      await openConsole(request, reader, credentials, raw, socket, head);
    },
  };
}
