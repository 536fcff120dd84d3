import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { addImage, checkDiskImage, readCatalogue, removeImage } from '../../local/catalogue.ts';
import { layoutOf } from '../../local/layout.ts';
import { lockDirectory } from '../../local/lock.ts';
import { print, table } from '../../output.ts';
import { dirOption } from '../options.ts';
import { splitReference } from './split-reference.ts';

/** The image of KubeVirt's examples and of ours. */
const EXAMPLE_IMAGE = 'quay.io/kubevirt/cirros-container-disk-demo';

export function addImageCommands(program: Command): void {
  const image = program.command('image').description('the local image catalogue, which answers before any registry');
  image
    .command('add')
    .description('make a reference resolve to a local disk image (raw or qcow2)')
    .argument('<reference=file>', 'such as quay.io/kubevirt/cirros-container-disk-demo=./disk.qcow2')
    .addOption(dirOption())
    .action(async (text: string, options: { dir: string }) => {
      const [reference, file] = splitReference(text, existsSync);
      await checkDiskImage(file);
      const layout = layoutOf(options.dir);
      await using _turn = await lockDirectory(layout);
      await addImage(layout.images, reference, file);
      print(`${reference} now is a copy of ${file}`);
    });
  image
    .command('add-test-guest')
    .description('build a small Linux with a shell on its serial console, offline, and make references resolve to it')
    .argument('[references...]', '', [EXAMPLE_IMAGE])
    .addOption(dirOption())
    .action(async (references: string[], options: { dir: string }) => {
      const { buildGuestImage, defaultCacheDirectory } = await import('@godwit/guest');
      const file = await buildGuestImage({ cacheDirectory: defaultCacheDirectory(process.env) });
      const layout = layoutOf(options.dir);
      await using _turn = await lockDirectory(layout);
      for (const reference of references) {
        await addImage(layout.images, reference, file);
        print(`${reference} now is the test guest`);
      }
    });
  image
    .command('list')
    .description('show the references that resolve locally')
    .addOption(dirOption())
    .action(async (options: { dir: string }) => {
      const catalogue = await readCatalogue(layoutOf(options.dir).images);
      print(table([['REFERENCE', 'FILE'], ...Object.entries(catalogue)]));
    });
  image
    .command('remove')
    .description('forget a reference')
    .argument('<reference>')
    .addOption(dirOption())
    .action(async (reference: string, options: { dir: string }) => {
      const layout = layoutOf(options.dir);
      await using _turn = await lockDirectory(layout);
      await removeImage(layout.images, reference);
      print(`${reference} is forgotten`);
    });
}
