import type { Command } from 'commander';
import { Option } from 'commander';
import { dirOption, wholeNumber } from '../options.ts';

export interface UploadOptions {
  readonly image: string;
  readonly size?: string;
  readonly namespace: string;
  readonly storageClass?: string;
  readonly accessMode?: 'ReadWriteOnce' | 'ReadWriteMany';
  readonly volumeMode?: 'filesystem' | 'block';
  readonly cluster?: string;
  readonly dir: string;
  readonly wait: number;
}

export function addUpload(program: Command): void {
  program
    .command('upload')
    .description('fill a DataVolume with a local disk image; it is made when it is not there')
    .argument('<name>', 'name of the DataVolume, and of its claim')
    .requiredOption('--image <file>', 'disk image: raw or qcow2, also packed with gzip')
    .option('--size <quantity>', 'size of a new DataVolume, such as 10Gi; default: that of the disk in the image')
    .option('-n, --namespace <namespace>', 'namespace of the DataVolume', 'default')
    .option('--storage-class <name>', 'storage class of a new DataVolume; default: that for virtual machines')
    .addOption(
      new Option('--access-mode <mode>', 'of a new DataVolume; default: that of the class').choices([
        'ReadWriteOnce',
        'ReadWriteMany',
      ]),
    )
    .addOption(
      new Option('--volume-mode <mode>', 'of a new DataVolume; default: that of the class').choices([
        'filesystem',
        'block',
      ]),
    )
    .addOption(
      new Option('--wait <seconds>', 'how long to wait for the claim to take the image')
        .argParser(wholeNumber)
        .default(120),
    )
    .option('--cluster <name>', 'local cluster; default: the first one')
    .addOption(dirOption())
    .action(async (name: string, options: UploadOptions) => {
      const { runUpload } = await import('./run.ts');
      process.exitCode = await runUpload(name, options);
    });
}
