/** Cuts a stream of text chunks into lines without rescanning what earlier chunks held; replies can be megabytes. */
export function createLineSplitter(onLine: (line: string) => void): (chunk: string) => void {
  let parts: string[] = [];
  return (chunk) => {
    let start = 0;
    for (let end = chunk.indexOf('\n'); end !== -1; end = chunk.indexOf('\n', start)) {
      parts.push(chunk.slice(start, end));
      const line = parts.join('').trim();
      parts = [];
      start = end + 1;
      if (line !== '') onLine(line);
    }
    if (start < chunk.length) parts.push(chunk.slice(start));
  };
}
