//! `env`, `pass_env` and `secret_env`.

use super::super::declared::Located;
use super::field::Shape;
use super::fields::Fields;
use super::item::Item;
use crate::action::looks_like_secret;
use crate::mistake::Mistake;

/// A variable and, if it is given here, its value.
type Variable = (Located<String>, Option<Located<String>>);

/// Reads the variables that are keyed.
pub(super) fn env(fields: &Fields<'_>) -> Result<Vec<Variable>, Mistake> {
    let Some(item) = fields.get("env") else {
        return Ok(Vec::new());
    };
    let expected = Shape::Env.expected();
    let mut variables: Vec<Variable> = Vec::new();
    let mut add = |name: Located<String>, value: Option<Located<String>>| {
        let at = name.at.span.clone();
        check_name(item, &name)?;
        if looks_like_secret(&name.value) {
            let name = &name.value;
            let message = format!("`{name}` looks like a secret, and `env` is stored");
            let mut mistake = item.page.mistake(at, message);
            mistake.hint = Some(format!(
                "`secret_env = [\"{name}\"]` shows it to the command and to nobody else"
            ));
            return Err(mistake);
        }
        if variables.iter().any(|(known, _)| known.value == name.value) {
            let message = format!("the variable `{}` is given twice", name.value);
            return Err(item.page.mistake(at, message));
        }
        variables.push((name, value));
        Ok(())
    };
    if item.raw().as_table().is_some() {
        for (key, value) in item.table(&expected)? {
            let at = item.page.at(key.span);
            let name = key.name.to_owned();
            add(Located { value: name, at }, Some(value.text()?))?;
        }
    } else {
        for word in item.texts(&expected)? {
            let Located { value, at } = word;
            let place = |value: &str| Located {
                value: value.to_owned(),
                at: at.clone(),
            };
            match value.split_once('=') {
                Some((name, value)) => add(place(name), Some(place(value)))?,
                None => add(place(&value), None)?,
            }
        }
    }
    Ok(variables)
}

/// Reads the names of variables that are not keyed.
pub(super) fn names(fields: &Fields<'_>, field: &str) -> Result<Vec<Located<String>>, Mistake> {
    let Some(item) = fields.get(field) else {
        return Ok(Vec::new());
    };
    let names = item.texts(&Shape::Variables.expected())?;
    names.iter().try_for_each(|name| check_name(item, name))?;
    Ok(names)
}

fn check_name(item: &Item<'_>, name: &Located<String>) -> Result<(), Mistake> {
    let text = &name.value;
    if !text.is_empty() && !text.contains(['=', '\0']) {
        return Ok(());
    }
    let message = format!("`{text}` is not the name of a variable");
    let mut mistake = item.page.mistake(name.at.span.clone(), message);
    if text.contains('=') {
        mistake.hint = Some("only `env` takes `NAME=VALUE`".to_owned());
    }
    Err(mistake)
}
