/** What `godwit` starts for a directory, apart from QEMU. */
const SCRIPT = /\/(apps\/server\/src\/(api-server|controllers|node-agent)|apps\/cli\/src\/local\/supervisor-main)\.ts$/;
const QEMU = /(^|\/)qemu-system-\w+$/;
const NODE = /(^|\/)node$/;

/**
 * Whether a command line is that of a daemon or a guest of ours that works below one of these directories. A path counts
 * where an argument, or the value of one of QEMU's options, begins: other people's programs may well name it otherwise.
 */
export function isOurs([program = '', ...parameters]: readonly string[], directories: readonly string[]): boolean {
  const isDaemon = NODE.test(program) && parameters.some((parameter) => SCRIPT.test(parameter));
  if (!isDaemon && !QEMU.test(program)) return false;
  return directories.some((directory) => {
    // QEMU wants commas in values doubled.
    const beginnings = [directory, directory.replaceAll(',', ',,')].map((path) => `${path}/`);
    return parameters.some((parameter) =>
      beginnings.some((path) => {
        if (parameter.startsWith(path)) return true;
        return !isDaemon && ['=', ',', ':'].some((before) => parameter.includes(`${before}${path}`));
      }),
    );
  });
}
