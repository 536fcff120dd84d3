export interface DomainDisks {
  readonly root: string;
  readonly data: string;
  readonly seed: string;
}

/** The same machine as ours as nearly as libvirt can: it rounds memory to whole MiB (see docs/benchmarks.md). */
export function domainXml(name: string, uuid: string, memoryMib: number, disks: DomainDisks, serial: string): string {
  const disk = (target: string, path: string, more = ''): string =>
    `<disk type='file' device='disk'><driver name='qemu' type='raw' cache='none' io='threads' discard='unmap'/>` +
    `<source file='${path}'/><target dev='${target}' bus='virtio'/>${more}</disk>`;
  return `<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>${name}</name>
  <uuid>${uuid}</uuid>
  <memory unit='MiB'>${memoryMib}</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/></features>
  <cpu mode='maximum'/>
  <on_reboot>restart</on_reboot>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    ${disk('vda', disks.root, "<boot order='1'/>")}
    ${disk('vdb', disks.data, `<serial>${serial}</serial>`)}
    ${disk('vdc', disks.seed, '<readonly/>')}
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <video><model type='none'/></video>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-netdev'/>
    <qemu:arg value='user,id=bench,net=10.0.2.0/24,host=10.0.2.1,dhcpstart=10.0.2.2,dns=10.0.2.3'/>
    <qemu:arg value='-device'/>
    <qemu:arg value='virtio-net-pci,netdev=bench,romfile=,bus=pcie.0,addr=0x1d'/>
  </qemu:commandline>
</domain>
`;
}
