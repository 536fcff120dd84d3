import type { Command } from 'commander';
import { GodwitError } from '@godwit/core/errors';
import { addImage, checkDiskImage, readCatalogue, removeImage } from '../../local/catalogue.ts';
import { layoutOf } from '../../local/layout.ts';
import { print, table } from '../../output.ts';
import { dirOption } from '../options.ts';

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
      const at = text.lastIndexOf('=');
      if (at < 1 || at === text.length - 1) throw new GodwitError('IMAGE_ARGUMENT', `"${text}" is not REFERENCE=FILE`);
      const [reference, file] = [text.slice(0, at), text.slice(at + 1)];
      await checkDiskImage(file);
      await addImage(layoutOf(options.dir).images, reference, file);
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
      for (const reference of references) {
        await addImage(layoutOf(options.dir).images, reference, file);
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
    .action(async (reference: string, options: { dir: string }) =>
      removeImage(layoutOf(options.dir).images, reference).then(() => print(`${reference} is forgotten`)),
    );
}
