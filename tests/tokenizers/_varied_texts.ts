/**
 * Texts of many kinds, always the same ones: languages, code, emoji, spaces, digits, contractions, control characters,
 * and the special tokens of a tokenizer.
 */

const SENTENCES = [
  "The quick brown fox jumps over the lazy dog.",
  "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
  "Voix ambiguë d’un cœur qui au zéphyr préfère les jattes de kiwis.",
  "El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia y frío.",
  "Съешь же ещё этих мягких французских булок, да выпей чаю.",
  "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.",
  "דג סקרן שט בים מאוכזב ולפתע מצא חברה",
  "نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر",
  "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण",
  "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า กว่าบรรดาฝูงสัตว์เดรัจฉาน",
  "いろはにほへと ちりぬるを わかよたれそ つねならむ",
  "我能吞下玻璃而不伤身体。天地玄黃,宇宙洪荒。",
  "키스의 고유조건은 입술끼리 만나야 하고 특별한 기술은 필요치 않다.",
  "Pchnąć w tę łódź jeża lub ośm skrzyń fig.",
  "Tiếng Việt có nhiều dấu: ữ, ợ, ẫ, ề, ỗ.",
  "İstanbul'da Iğdır'lı bir çocuk ŞÖYLE dedi.",
  "ქართული ენა, Հայոց լեզու, አማርኛ, ភាសាខ្មែរ, தமிழ், తెలుగు, বাংলা",
];

const CODE = [
  'def f(x: int) -> str:\n\treturn f"{x!r:>10}"  # comment\n',
  "for (let i = 0; i < 10; i++) { a[i] += b?.[i] ?? 0; }\r\n",
  "SELECT * FROM t WHERE a <> 'it''s' AND b >= 3.14e-10;",
  "#include <stdio.h>\n\nint main(void) {\n    return 0;\n}\n\n\n",
  '<div class="a b">&nbsp;&amp;</div><!-- x -->',
  '{"a": [1, 2.5, null], "b": {"c": "\\u00e9\\n"}}',
  "https://example.org/a/b?c=d&e=%20f#g",
  "$ git commit -m 'fix: #42' && ./run.sh 2>&1 | tee log",
  "\\frac{a}{b} + \\sqrt[3]{x^2} \\leq \\infty",
];

const EMOJI = ["🚀", "😶‍🌫️", "👩‍👩‍👧‍👦", "🇫🇷", "👍🏽", "✅", "🦙🦙", "1️⃣", "❤️", "🏴󠁧󠁢󠁳󠁣󠁴󠁿"];

const SPACES = [
  " ",
  "  ",
  "   ",
  "\t",
  "\n",
  "\r\n",
  " \n ",
  "\n\n\n",
  "\t\t \t",
  "\u00a0",
  "\u3000",
  "\u2003",
  "\u2028",
  "\v",
  "\f",
];

const DIGITS = [
  "0",
  "42",
  "2024",
  "1234567",
  "3.14159",
  "1,000,000",
  "٣٤٥٦",
  "१२३",
  "½",
  "²³",
  "Ⅻ",
  "0x1F",
  "12:34:56",
  "１２３",
];

const CONTRACTIONS = [
  "I've been",
  "he's",
  "'RE you sure?",
  "'M not",
  "I'll",
  "WE'D",
  "a'lL",
  "don't",
  "DON'T",
  "rock'n'roll",
  "it’s",
  "''''s",
  "'tis",
];

const ODD = [
  "\u0001",
  "\u001b[31m",
  "\u007f",
  "\u0085",
  "\u200b",
  "\ufeff",
  "\ufffd",
  "\u200e",
  "(((",
  "!!!???...",
  "======",
  "``` ",
  "—…“”„",
  "€£¥₿",
  "∑∀∃≠",
  "_",
  "__init__",
  "x".repeat(40),
  "▁",
  "▁▁a",
  "Ġ",
  "<0x0A>",
  "[PAD1]",
  "<|",
  "|>",
  "ﬁ",
  "ª",
  "𝔘𝔫𝔦",
  "𐍈𐎀",
];

/** mulberry32: a number of 32 bits after another. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/**
 * Makes varied texts: first all kinds of pieces alone, then some of them in a row.
 *
 * @param special Special tokens to strew in.
 */
export function variedTexts(count: number, special: readonly string[] = [], seed = 1): string[] {
  const next = random(seed);
  const kinds = [
    SENTENCES,
    CODE,
    EMOJI,
    SPACES,
    SPACES,
    DIGITS,
    CONTRACTIONS,
    ODD,
    ...special.length > 0 ? [special] : [],
  ];
  const pick = <Item>(items: readonly Item[]) => items[next() % items.length]!;
  const piece = () => {
    const text = pick(pick(kinds));
    const words = text.split(" ");
    // Now and then a part of it, which may begin or end within a word.
    if (kinds[0]!.includes(text) && next() % 2 === 0) {
      const characters = [...text];
      const start = next() % characters.length;
      return characters.slice(start, start + 1 + next() % 12).join("");
    }
    return next() % 4 === 0 ? pick(words) : text;
  };
  const texts = kinds.flat();
  while (texts.length < count) {
    texts.push(Array.from({ length: 1 + next() % 8 }, piece).join(next() % 3 === 0 ? " " : ""));
  }
  return texts.slice(0, count);
}
