/** What the page does: it sorts and filters the table, and shows the tensor that one points at. */

/**
 * Runs in the page, from its source text: it may refer to nothing outside itself. Everything that it shows is in the page
 * already, and goes from element to element as text, never as HTML.
 */
export function pageScript(): void {
  const table = document.querySelector<HTMLTableElement>("#tensors")!;
  const body = table.tBodies[0]!;
  const heads = [...table.tHead!.rows[0]!.cells];
  const titles = heads.map(({ textContent }) => textContent ?? "");
  const rows = [...body.rows];

  makeMaps();
  makeSortable();
  makeFilter();
  makePointing();

  /** Shows one map at a time. On paper there are all of them. */
  function makeMaps(): void {
    const choice = document.querySelector<HTMLElement>("#maps");
    if (choice === null) return;
    const maps = document.querySelectorAll<HTMLElement>(".map");
    const choose = () => {
      const { value } = choice.querySelector<HTMLInputElement>("input:checked")!;
      maps.forEach((map, i) => map.hidden = i !== Number(value));
    };
    choice.addEventListener("change", choose);
    choice.hidden = false;
    choose();
  }

  function makeSortable(): void {
    const { compare } = new Intl.Collator("en", { numeric: true });
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const keys = new Map(rows.map((row) => [row, keyOf(row.cells[column]!)]));
        const hasNumbers = [...keys.values()].some((key) => typeof key === "number");
        // Of numbers the largest are looked for.
        const first = hasNumbers ? "descending" : "ascending";
        const order = head.ariaSort === null
          ? first
          : head.ariaSort === "ascending"
          ? "descending"
          : "ascending";
        for (const each of heads) each.ariaSort = null;
        head.ariaSort = order;
        const sign = order === "ascending" ? 1 : -1;
        const sorted = rows.toSorted((a, b) => {
          const [left, right] = [keys.get(a)!, keys.get(b)!];
          if (left === "" || right === "") return Number(left === "") - Number(right === ""); // Nothing comes last.
          if (typeof left === "number" && typeof right === "number") {
            return sign * (left - right || Number(Number.isNaN(right)) - Number(Number.isNaN(left)) || 0);
          }
          return sign * compare(String(left), String(right));
        });
        body.append(...sorted);
      });
    });
  }

  /** What a cell is sorted by. */
  function keyOf(cell: HTMLTableCellElement): number | string {
    const data = cell.querySelector("data");
    return data === null ? cell.textContent ?? "" : Number(data.value);
  }

  function makeFilter(): void {
    const tools = document.querySelector<HTMLElement>("#tools")!;
    const input = tools.querySelector("input")!;
    const count = tools.querySelector("output")!;
    const texts = rows.map((row) =>
      [...row.cells].filter((cell) => cell.querySelector("data") === null)
        .map(({ textContent }) => textContent).join(" ").toLowerCase()
    );
    const filter = () => {
      const words = input.value.toLowerCase().split(/\s+/);
      let shown = 0;
      rows.forEach((row, i) => {
        row.hidden = !words.every((word) => texts[i]!.includes(word));
        if (!row.hidden) shown++;
      });
      count.textContent = `${shown} of ${rows.length}`;
    };
    input.addEventListener("input", filter);
    tools.hidden = false;
    filter();
  }

  function makePointing(): void {
    const detail = document.querySelector<HTMLElement>("#detail")!;
    const [name, facts] = [detail.querySelector("h2")!, detail.querySelector("dl")!];
    const histogram = detail.querySelector("figure")!;
    let marked: Element[] = [];

    const hide = () => {
      detail.hidden = true;
      for (const element of marked) element.classList.remove("on");
      marked = [];
    };
    const show = (at: string) => {
      hide();
      const row = rows[Number(at)]!;
      const [title, ...cells] = row.cells;
      name.replaceChildren(...title!.cloneNode(true).childNodes);
      facts.replaceChildren(...cells.flatMap((cell, i) => {
        if (cell.textContent === "") return [];
        const entry = document.createElement("div");
        const [term, value] = [document.createElement("dt"), document.createElement("dd")];
        term.textContent = titles[i + 1]!;
        value.textContent = cell.textContent;
        entry.append(term, value);
        return [entry];
      }));
      marked = [row, ...document.querySelectorAll(`[data-row="${at}"], [data-of="${at}"]`)];
      histogram.hidden = !marked.some((element) => element.hasAttribute("data-of"));
      for (const element of marked) element.classList.add("on");
      detail.hidden = false;
    };
    const pointedAt = (target: EventTarget | null): string | undefined => {
      const element = target instanceof Element
        ? target.closest<HTMLElement>("[data-row], #tensors tbody tr")
        : null;
      return element?.dataset.row ?? element?.id.slice(1);
    };

    // What scrolls below a pointer at rest isn't pointed at.
    let place = "";
    document.addEventListener("pointerover", ({ target, clientX, clientY }) => {
      const [at, before] = [pointedAt(target), place];
      place = `${clientX} ${clientY}`;
      if (at !== undefined && place !== before) show(at);
    });
    document.addEventListener("pointermove", ({ clientX, clientY }) => place = `${clientX} ${clientY}`);
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") hide();
    });
    detail.querySelector("button")!.addEventListener("click", hide);

    const toRow = (at: string) => {
      const row = rows[Number(at)]!;
      row.hidden = false;
      row.scrollIntoView({ block: "center" });
      row.focus({ preventScroll: true });
    };
    for (const link of document.querySelectorAll<HTMLAnchorElement>('a[href^="#t"]')) {
      link.addEventListener("click", (event) => {
        event.preventDefault();
        toRow(link.hash.slice(2));
      });
    }

    // In a chart a click leads to the tensor's row, and arrows go from one tensor to the next.
    for (const chart of document.querySelectorAll<SVGSVGElement>("svg:has([data-row])")) {
      let current: string | undefined;
      chart.tabIndex = 0;
      chart.addEventListener("click", ({ target }) => {
        const at = pointedAt(target);
        if (at !== undefined) toRow(at);
      });
      chart.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && current !== undefined) toRow(current);
        const [dx, dy] = directionOf(event);
        if (dx === 0 && dy === 0) return;
        event.preventDefault();
        current = neighbour(chart, current, dx, dy) ?? current;
        if (current !== undefined) show(current);
      });
    }
    rows.forEach((row, i) => {
      row.tabIndex = i === 0 ? 0 : -1;
      row.addEventListener("focus", () => show(row.id.slice(1)));
      row.addEventListener("keydown", (event) => {
        const [, dy] = directionOf(event);
        if (dy === 0) return;
        event.preventDefault();
        let next: Element | null = row;
        do next = dy > 0 ? next.nextElementSibling : next.previousElementSibling; while (
          next instanceof HTMLElement && next.hidden
        );
        if (next instanceof HTMLElement) next.focus();
      });
    });
  }

  function directionOf({ key, altKey, ctrlKey, metaKey }: KeyboardEvent): readonly [dx: number, dy: number] {
    if (altKey || ctrlKey || metaKey) return [0, 0];
    return key === "ArrowLeft"
      ? [-1, 0]
      : key === "ArrowRight"
      ? [1, 0]
      : key === "ArrowUp"
      ? [0, -1]
      : key === "ArrowDown"
      ? [0, 1]
      : [0, 0];
  }

  /** The nearest tensor of a chart in a direction; the first one, where there is none to start from. */
  function neighbour(chart: Element, from: string | undefined, dx: number, dy: number): string | undefined {
    const elements = [...chart.querySelectorAll<SVGElement>("[data-row]")];
    const start = elements.find((element) => element.dataset.row === from);
    if (start === undefined) return elements[0]?.dataset.row;
    const middle = (element: Element) => {
      const { x, y, width, height } = element.getBoundingClientRect();
      return [x + width / 2, y + height / 2] as const;
    };
    const [x, y] = middle(start);
    let [best, least] = [undefined as string | undefined, Infinity];
    for (const element of elements) {
      const [toX, toY] = middle(element);
      const along = (toX - x) * dx + (toY - y) * dy;
      const across = Math.abs((toX - x) * dy) + Math.abs((toY - y) * dx);
      if (along < 0.5) continue;
      const distance = along + 4 * across;
      if (distance < least) [best, least] = [element.dataset.row, distance];
    }
    return best;
  }
}
