//! Parses the JSON of a bucket policy strictly: an unknown or repeated key is an error with its name.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IntoDeserializer as _, MapAccess, SeqAccess, Visitor};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Document {
    #[serde(default)]
    pub version: Option<String>,
    #[serde(default, rename = "Id")]
    pub _id: Option<String>,
    pub statement: Many<StatementText>,
}

/// One statement of it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct StatementText {
    #[serde(default)]
    pub sid: Option<String>,
    pub effect: String,
    pub principal: Principals,
    pub action: Many<String>,
    pub resource: Many<String>,
    #[serde(default)]
    pub condition: Conditions,
}

/// Operators with their keys and values.
pub(super) type Conditions = Pairs<Pairs<Many<Scalar>>>;

/// `"*"`, or names by kind.
pub(super) enum Principals {
    One(String),
    Kinds(Pairs<Many<String>>),
}

/// A list, or a single value without brackets.
pub(super) struct Many<T>(pub Vec<T>);

/// An object with its order and without repeated keys, of which the first would be lost.
pub(super) struct Pairs<T>(pub Vec<(String, T)>);

/// A text, or a value that becomes one: `true`, `17`.
pub(super) struct Scalar(pub String);

impl<T> Default for Pairs<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OfMany(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(OfPairs(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Principals {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OfPrincipals)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OfScalar)
    }
}

struct OfMany<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OfMany<T> {
    type Value = Many<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one value or a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Many<T>, A::Error> {
        let mut all = Vec::new();
        while let Some(one) = list.next_element()? {
            all.push(one);
        }
        Ok(Many(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Many<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|one| Many(vec![one]))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Many<T>, E> {
        T::deserialize(text.into_deserializer()).map(|one| Many(vec![one]))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Many<T>, E> {
        T::deserialize(value.into_deserializer()).map(|one| Many(vec![one]))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Many<T>, E> {
        T::deserialize(value.into_deserializer()).map(|one| Many(vec![one]))
    }
}

struct OfPairs<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OfPairs<T> {
    type Value = Pairs<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<T>, A::Error> {
        let (mut all, mut names) = (Vec::new(), HashSet::new());
        while let Some((name, value)) = map.next_entry::<String, T>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format_args!("{name:?} is there twice")));
            }
            all.push((name, value));
        }
        Ok(Pairs(all))
    }
}

struct OfPrincipals;

impl<'de> Visitor<'de> for OfPrincipals {
    type Value = Principals;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"*\" or {\"AWS\": […]}")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Principals, E> {
        Ok(Principals::One(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Principals, A::Error> {
        Pairs::deserialize(MapAccessDeserializer::new(map)).map(Principals::Kinds)
    }
}

struct OfScalar;

impl Visitor<'_> for OfScalar {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar(text.to_owned()))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Scalar, E> {
        Ok(Scalar(value.to_string()))
    }
}
