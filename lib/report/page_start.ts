/** How every page begins: by this ckpt knows its own. */
export const PAGE_START: string = '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n' +
  '<meta name="generator" content="ckpt ';
