// The editor: CodeMirror in a shadow root, where its styles need no exception from the content-security policy.

import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { cpp } from "@codemirror/lang-cpp";
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { EditorState } from "@codemirror/state";
import {
  drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, hoverTooltip, keymap, lineNumbers,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { assembly, completes, meaning } from "./assembly.js";

const colours = HighlightStyle.define([
  { tag: tags.comment, color: "var(--muted)", fontStyle: "italic" },
  { tag: [tags.keyword, tags.controlKeyword, tags.operatorKeyword, tags.modifier], color: "var(--context)" },
  { tag: [tags.meta, tags.processingInstruction], color: "var(--map)" },
  { tag: [tags.typeName, tags.standard(tags.typeName)], color: "var(--stack)" },
  { tag: [tags.function(tags.variableName), tags.function(tags.definition(tags.variableName))], color: "var(--packet)" },
  { tag: [tags.labelName, tags.string, tags.character], color: "var(--object)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--scalar)" },
]);

const look = EditorView.theme({
  "&": { height: "100%", color: "var(--text)", backgroundColor: "var(--pane)", font: "13px/20px var(--mono)" },
  "&.cm-focused": { outline: "2px solid var(--text)", outlineOffset: "-2px" },
  ".cm-scroller": { font: "13px/20px var(--mono)", overflow: "auto" },
  ".cm-content": { caretColor: "var(--text)", padding: "8px 0" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-gutters": { backgroundColor: "var(--pane)", color: "var(--muted)", border: "0" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--sunk)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--honey-soft) !important" },
  ".cm-tooltip": { backgroundColor: "var(--pane)", color: "var(--text)", border: "1px solid var(--edge)", maxWidth: "min(420px, 90vw)" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--honey-soft)", color: "var(--text)" },
  ".cm-completionDetail": { color: "var(--muted)", fontStyle: "normal", marginInlineStart: "12px" },
  ".cm-tooltip .meaning": { padding: "6px 10px", font: "14px/20px var(--sans)" },
  ".cm-tooltip .meaning b": { font: "600 13px/20px var(--mono)" },
  ".cm-tooltip a": { color: "var(--packet)" },
  ".cm-diagnostic-error": { borderLeftColor: "var(--error)" },
  ".cm-panels": { backgroundColor: "var(--sunk)", color: "var(--text)" },
});

/** The explanation of the word under the pointer. */
const explains = (words) =>
  hoverTooltip((view, pos) => {
    const line = view.state.doc.lineAt(pos);
    const at = pos - line.from;
    const begin = line.text.slice(0, at).search(/\.?[\w]*$/);
    const length = line.text.slice(begin).match(/^\.?\w*/)[0].length;
    const found = length > 0 && meaning(line.text.slice(begin, begin + length), words());
    if (!found) return null;
    return {
      pos: line.from + begin,
      end: line.from + begin + length,
      create() {
        const dom = document.createElement("div");
        dom.className = "meaning";
        dom.setAttribute("role", "tooltip");
        const title = document.createElement("b");
        title.textContent = found.title;
        dom.append(title, ` ${found.text} `);
        if (found.link) {
          const link = document.createElement("a");
          Object.assign(link, { href: found.link, textContent: found.from, target: "_blank", rel: "noreferrer" });
          dom.append(link);
        }
        return { dom };
      },
    };
  });

/**
 * Puts an editor into an element.
 *
 * @param {HTMLElement} host
 * @param {{ label: string, text: string, c: boolean, onchange: (text: string) => void }} options
 */
export function mount(host, { label, text, c, onchange }) {
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  let words = [];
  let quiet = false;
  const assemblyOnly = c ? [cpp(), autocompletion()] : [assembly, autocompletion({ override: [completes(() => words)] }), explains(() => words)];
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: text,
      extensions: [
        lineNumbers(), highlightActiveLineGutter(), highlightActiveLine(), history(), drawSelection(), indentOnInput(),
        bracketMatching(), closeBrackets(), highlightSelectionMatches(), lintGutter(), assemblyOnly,
        syntaxHighlighting(colours), look,
        keymap.of([...closeBracketsKeymap, ...completionKeymap, ...searchKeymap, ...historyKeymap, ...lintKeymap, indentWithTab, ...defaultKeymap]),
        EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false", autocapitalize: "off" }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged && !quiet) onchange(update.state.doc.toString());
        }),
      ],
    }),
  });
  return {
    /** @param {string} text */
    setText(text) {
      if (view.state.doc.toString() === text) return;
      quiet = true;
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
      quiet = false;
    },
    /** @param {string} json a list of { line, column, message, severity } */
    setProblems(json) {
      const { doc } = view.state;
      const place = ({ line, column, message, severity }) => {
        const at = doc.line(Math.min(Math.max(line, 1), doc.lines));
        const from = Math.min(at.from + Math.max(column - 1, 0), at.to);
        const rest = doc.sliceString(from, at.to).match(/^\S*/)[0].length;
        return { from, to: column > 1 ? from + rest : at.to, message, severity };
      };
      view.dispatch(setDiagnostics(view.state, JSON.parse(json).map(place)));
    },
    /** @param {string} json a list of { kind, name, detail, info } */
    setWords(json) {
      words = JSON.parse(json);
    },
    focus() {
      view.focus();
    },
    destroy() {
      view.destroy();
    },
  };
}
