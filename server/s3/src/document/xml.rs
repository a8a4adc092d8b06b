//! One reader for the XML of all operations: it writes each document again with nothing but elements and escaped text.
//!
//! The codec ignores CDATA sections, compares names with their prefixes, and refuses some character references. A
//! canonical document has none of these. Sources: *XML 1.0*, *Namespaces in XML*.

use quick_xml::NsReader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;

/// Most elements around another one. S3 has no document that is deeper than 6.
const DEPTH_MAX: usize = 32;

/// Why a document is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    #[error("{0}")]
    Reader(#[from] quick_xml::Error),
    #[error("it is not UTF-8")]
    Encoding,
    #[error("an attribute is malformed")]
    Attribute,
    #[error("a document type declaration is not accepted")]
    DocumentType,
    #[error("the prefix of <{0}> is not declared")]
    Prefix(String),
    #[error("the entity &{0}; is not known")]
    Entity(String),
    #[error("it has a character that XML does not allow")]
    Character,
    #[error("there must be one root element, with all text inside of it")]
    Root,
    #[error("an element is not closed")]
    Open,
    #[error("more than {DEPTH_MAX} elements are nested")]
    Depth,
}

/// The same elements and text, without attributes, prefixes, comments, CDATA sections and processing instructions.
pub(super) fn canonical(document: &[u8]) -> Result<String, Malformed> {
    let text = std::str::from_utf8(document).map_err(|_| Malformed::Encoding)?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut reader = NsReader::from_str(text);
    let mut writer = Writer { out: String::with_capacity(text.len()), open: Vec::new(), has_root: false };
    loop {
        match reader.read_resolved_event()? {
            (namespace, Event::Start(start)) => writer.open(&namespace, &start)?,
            (namespace, Event::Empty(start)) => {
                writer.open(&namespace, &start)?;
                writer.close();
            }
            (_, Event::End(_)) => writer.close(),
            (_, Event::Text(text)) => writer.text(&text.xml10_content().map_err(|_| Malformed::Encoding)?)?,
            (_, Event::CData(text)) => writer.text(&text.xml10_content().map_err(|_| Malformed::Encoding)?)?,
            (_, Event::GeneralRef(reference)) => writer.text(&resolved(&reference)?)?,
            (_, Event::Decl(declaration)) => check_encoding(&declaration)?,
            (_, Event::DocType(_)) => return Err(Malformed::DocumentType),
            (_, Event::Comment(_) | Event::PI(_)) => {}
            (_, Event::Eof) => return writer.finish(),
        }
    }
}

struct Writer {
    out: String,
    /// Names of the elements around the next one.
    open: Vec<String>,
    has_root: bool,
}

impl Writer {
    fn open(&mut self, namespace: &ResolveResult<'_>, start: &BytesStart<'_>) -> Result<(), Malformed> {
        let name = String::from_utf8_lossy(start.local_name().as_ref()).into_owned();
        if matches!(namespace, ResolveResult::Unknown(_)) {
            return Err(Malformed::Prefix(String::from_utf8_lossy(start.name().as_ref()).into_owned()));
        }
        if start.attributes().any(|attribute| attribute.is_err()) {
            return Err(Malformed::Attribute);
        }
        if self.open.is_empty() && self.has_root {
            return Err(Malformed::Root);
        }
        if self.open.len() == DEPTH_MAX {
            return Err(Malformed::Depth);
        }
        self.has_root = true;
        self.out.extend(["<", &name, ">"]);
        self.open.push(name);
        Ok(())
    }

    /// The reader has compared the names of start and end.
    fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.out.extend(["</", &name, ">"]);
        }
    }

    fn text(&mut self, text: &str) -> Result<(), Malformed> {
        if self.open.is_empty() {
            return if text.trim_matches([' ', '\t', '\r', '\n']).is_empty() { Ok(()) } else { Err(Malformed::Root) };
        }
        for character in text.chars() {
            match character {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                // a parser makes a line feed of it
                '\r' => self.out.push_str("&#13;"),
                other if is_allowed(other) => self.out.push(other),
                _ => return Err(Malformed::Character),
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<String, Malformed> {
        match (self.open.is_empty(), self.has_root) {
            (true, true) => Ok(self.out),
            (true, false) => Err(Malformed::Root),
            (false, _) => Err(Malformed::Open),
        }
    }
}

/// *XML 1.0*, section 2.2.
fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{FFFD}' | '\u{10000}'..)
}

fn resolved(reference: &BytesRef<'_>) -> Result<String, Malformed> {
    if let Some(character) = reference.resolve_char_ref()? {
        return Ok(character.to_string());
    }
    let name = reference.decode().map_err(|_| Malformed::Encoding)?;
    resolve_xml_entity(&name).map(ToOwned::to_owned).ok_or_else(|| Malformed::Entity(name.into_owned()))
}

fn check_encoding(declaration: &BytesDecl<'_>) -> Result<(), Malformed> {
    let Some(encoding) = declaration.encoding() else { return Ok(()) };
    let encoding = encoding.map_err(|_| Malformed::Attribute)?;
    let known = ["utf-8", "utf8", "us-ascii"].iter().any(|name| encoding.eq_ignore_ascii_case(name.as_bytes()));
    if known { Ok(()) } else { Err(Malformed::Encoding) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_text_however_it_is_written() {
        for (document, expected) in [
            ("<a>x<![CDATA[<y>&amp;]]>z</a>", "<a>x&lt;y&gt;&amp;amp;z</a>"),
            ("<a>x<!-- no -->y<?no?>z</a>", "<a>xyz</a>"),
            ("<a>&#x1F600;&#13;&#10;&quot;&lt;</a>", "<a>\u{1F600}&#13;\n\"&lt;</a>"),
            ("<a>1\r\n2\r3</a>", "<a>1\n2\n3</a>"),
            ("<a>1\r&#65;\r</a>", "<a>1\nA\n</a>"),
            ("<s:a xmlns:s='urn:s'><s:b/></s:a>", "<a><b></b></a>"),
            ("\u{FEFF}<?xml version='1.0' encoding='UTF-8'?>\n<a xmlns='x'/>\n", "<a></a>"),
        ] {
            assert_eq!(canonical(document.as_bytes()).unwrap(), expected, "{document}");
        }
        for document in [
            "",
            " ",
            "x",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><b/>",
            "<a/>x",
            "<s:a/>",
            "<a>&x;</a>",
            "<a>&#0;</a>",
            "<a>&#1;</a>",
            "<a>&</a>",
            "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
            "<?xml version='1.0' encoding='UTF-16'?><a/>",
            "<a b=c/>",
            "<a>\u{1}</a>",
            "<a><![CDATA[x</a>",
            "<a><!-- x</a>",
            &"<a>".repeat(100_000),
        ] {
            assert!(canonical(document.as_bytes()).is_err(), "{document:.60}");
        }
        assert!(canonical(b"<a>\xFF</a>").is_err());
    }

    /// A document in which every kind of text, element and remark can be.
    fn documents() -> impl Strategy<Value = String> {
        let text = prop_oneof![
            // no carriage return: the other parser keeps one before a reference
            "[ a-z\u{e9}\u{1F600}\n\t\"']{0,6}",
            Just("&lt;&amp;&quot;".to_owned()),
            "&#(13|10|65|128512);",
            "&#x(D|1F600|7E);",
            "<!\\[CDATA\\[[a-z<&> \n]{0,6}\\]\\]>",
            "<!-- [a-z<>& ]{0,6} -->",
            Just("<?remark x?>".to_owned()),
        ];
        let element = text.prop_recursive(3, 24, 4, |inner| {
            let name = prop_oneof![Just("Key"), Just("s:Key"), Just("x:Object"), Just("VersionId")];
            (name, prop::collection::vec(inner, 0..4))
                .prop_map(|(name, inside)| format!("<{name} a='1'>{}</{name}>", inside.concat()))
        });
        let begin = prop_oneof![Just(""), Just("\u{FEFF}"), Just("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")];
        (begin, prop::collection::vec(element, 0..4)).prop_map(|(begin, inside)| {
            format!("{begin}<Delete xmlns=\"urn:a\" xmlns:s=\"urn:b\" xmlns:x=\"urn:c\">{}</Delete>", inside.concat())
        })
    }

    fn walk(node: roxmltree::Node<'_, '_>, seen: &mut Vec<String>, text: &mut String) {
        if node.is_text() {
            text.push_str(node.text().unwrap_or_default());
        } else if node.is_element() {
            seen.push(format!("{}<{}", std::mem::take(text), node.tag_name().name()));
            node.children().for_each(|child| walk(child, seen, text));
            seen.push(format!("{}>", std::mem::take(text)));
        }
    }

    /// Names and texts in order, adjacent texts as one.
    fn seen(document: &str) -> Option<Vec<String>> {
        let tree = roxmltree::Document::parse(document).ok()?;
        let mut seen: Vec<String> = Vec::new();
        let mut text = String::new();
        walk(tree.root_element(), &mut seen, &mut text);
        Some(seen)
    }

    proptest! {
        #[test]
        fn another_parser_reads_the_same(document in documents()) {
            let expected = seen(&document);
            prop_assert!(expected.is_some(), "{}", document);
            prop_assert_eq!(seen(&canonical(document.as_bytes()).unwrap()), expected);
        }

        #[test]
        fn what_both_accept_they_read_alike(document in documents(), at in any::<prop::sample::Index>(), put in "[<>&;!/\\[\\]a ]{0,3}") {
            let mut spoiled: Vec<char> = document.chars().collect();
            let at = at.index(spoiled.len());
            spoiled.splice(at..=at, put.chars());
            let spoiled: String = spoiled.into_iter().collect();
            if let (Ok(ours), Some(expected)) = (canonical(spoiled.as_bytes()), seen(&spoiled)) {
                prop_assert_eq!(seen(&ours), Some(expected), "{}", spoiled);
            }
        }
    }
}
