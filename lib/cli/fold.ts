/** Texts in lines that fit a terminal. */

/** A text in lines that fit a width, where its words do. */
export function fold(text: string, width: number): string[] {
  const lines: string[] = [];
  let columns = 0;
  for (const word of text.split(" ")) {
    const length = [...word].length;
    if (lines.length > 0 && columns + 1 + length <= width) {
      lines[lines.length - 1] += ` ${word}`;
      columns += 1 + length;
    } else {
      lines.push(word);
      columns = length;
    }
  }
  return lines;
}

/**
 * A text behind a head, such as a label, in lines that fit a width: those below the first begin where the text does.
 *
 * @param head What stands before the text, which may have colours.
 * @param indent The columns that the head takes.
 * @param style What each line of the text is put into.
 */
export function hanging(
  head: string,
  indent: number,
  text: string,
  width: number,
  style: (line: string) => string = (line) => line,
): string[] {
  return fold(text, width - indent).map((line, i) => (i === 0 ? head : " ".repeat(indent)) + style(line));
}
