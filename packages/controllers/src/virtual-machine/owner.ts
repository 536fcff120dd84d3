import type { OwnerReference, Stored, VirtualMachine } from '@godwit/api';

/** What everything made for a VM carries: deleting the VM deletes it. */
export function ownerReferenceTo(vm: Stored<VirtualMachine>): OwnerReference {
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachine',
    name: vm.metadata.name,
    uid: vm.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}
