/** Text from outside (names, labels, reasons) as Markdown that shows it and does nothing else. */
export function escapeMarkdown(text: string): string {
  return text
    .replace(/[\\`*_{}[\]()#+\-.!|~$]/g, '\\$&')
    .replace(/</g, '&lt;')
    .replace(/\s+/g, ' ');
}
