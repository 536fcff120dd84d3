import { begunCopies, claimsOf } from '@godwit/api';
import type { VirtualMachine } from '@godwit/api';
import { jsonEqual } from '@godwit/core/json';

/** A volume whose template names another claim than the one with what the guest wrote last. */
interface Moved {
  readonly volumeName: string;
  readonly last: string;
  readonly claim: string;
}

function movedVolumes(vm: VirtualMachine, last: Readonly<Record<string, string>> = {}): Moved[] {
  return [...claimsOf(vm.spec.template.spec.volumes)].flatMap(([volumeName, claim]) => {
    const from = last[volumeName];
    return from === undefined || from === claim ? [] : [{ volumeName, last: from, claim }];
  });
}

/** Whoever wants the data copied has to say so in the same edit: afterwards the new claims are the VM's. */
function replaced(vm: VirtualMachine, old: VirtualMachine, moved: readonly Moved[]): string[] {
  if (jsonEqual(vm.spec.template.spec.volumes, old.spec.template.spec.volumes)) return [];
  return moved.map(
    ({ volumeName, last, claim }) =>
      `spec.template.spec.volumes: volume ${volumeName} starts on ${claim} as it is, its data stay on ${last}; set spec.updateVolumesStrategy to Migration in the same edit to have them copied`,
  );
}

/** An edit before this one may have put a volume on an empty claim, which is now taken for where its data are. */
function nothingToCopy(last: Readonly<Record<string, string>> = {}): string[] {
  const places = Object.entries(last).map(([volumeName, claim]) => `${volumeName} on ${claim}`);
  if (places.length === 0) return [];
  return [
    `spec.updateVolumesStrategy: nothing is copied, the data of the stopped VM are taken to be where its volumes are: ${places.join(', ')}`,
  ];
}

/** What becomes of the data of a VM that does not run, when its volumes, or how they are updated, change. */
export function stoppedVolumesWarnings(vm: VirtualMachine, old: VirtualMachine | undefined): string[] {
  if (old === undefined || old.status?.created === true) return [];
  const moved = movedVolumes(vm, old.status?.lastVolumes);
  if (vm.spec.updateVolumesStrategy === 'Migration') {
    const before = old.spec.updateVolumesStrategy === 'Migration';
    const same = jsonEqual(vm.spec.template.spec.volumes, old.spec.template.spec.volumes);
    if (same && before) return [];
    if (moved.length === 0) return same ? nothingToCopy(old.status?.lastVolumes) : [];
    const copies = moved.map(({ volumeName, last, claim }) => `${volumeName} from ${last} to ${claim}`).join(', ');
    return [`spec.template.spec.volumes: the VM is stopped; before it starts again are copied: ${copies}`];
  }
  if (old.spec.updateVolumesStrategy !== 'Migration') return replaced(vm, old, moved);
  const begun = begunCopies(old);
  return moved
    .filter(({ claim }) => begun.includes(claim))
    .map(
      ({ volumeName, last, claim }) =>
        `spec.updateVolumesStrategy: without Migration volume ${volumeName} starts on ${claim}, whose copy has not ended: it may be incomplete. What the guest wrote last is on ${last}; set the claim back to keep it`,
    );
}
