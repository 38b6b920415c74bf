//! Which names of environment variables look like secrets.
//!
//! A keyed variable is stored and shown in full, so a secret among them would leak; the check is
//! by whole words, because `TOKENIZERS_PARALLELISM` is not a token (hazard H1). It cannot know
//! every name: it is a guard against slips, not a boundary.

/// Words that alone make a name a secret's.
const SECRET_WORDS: &[&str] = &[
    "apikey",
    "auth",
    "cookie",
    "credential",
    "credentials",
    "creds",
    "jwt",
    "passphrase",
    "passwd",
    "password",
    "passwords",
    "pat",
    "secret",
    "secrets",
    "secretkey",
    "token",
    "tokens",
];

/// Words that make `KEY` a secret when they stand right before it.
const KEY_OWNERS: &[&str] = &[
    "access",
    "account",
    "api",
    "deploy",
    "encryption",
    "license",
    "master",
    "private",
    "secret",
    "service",
    "signing",
    "ssh",
    "storage",
];

/// Names without borders between words, as the programs that read them spell them.
const SECRET_NAMES: &[&str] = &["pgpassword", "pgpass", "sshpass", "mysqlpwd", "restpass"];

/// Words after which a name tells where a secret lies or how it is used, not the secret itself.
const HARMLESS_ENDS: &[&str] = &[
    "file", "path", "sock", "socket", "dir", "limit", "ttl", "url",
];

/// Says whether a variable of this name probably holds a secret: `API_TOKEN`, `PGPASSWORD` and
/// `githubToken` do, `TOKENIZERS_PARALLELISM`, `SORT_KEY`, `PWD` and `SSH_AUTH_SOCK` do not.
pub fn looks_like_secret(name: &str) -> bool {
    let words = words(name);
    if words
        .last()
        .is_some_and(|last| HARMLESS_ENDS.contains(&last.as_str()))
    {
        return false;
    }
    let is_secret_word = |word: &String| {
        SECRET_WORDS.contains(&word.as_str()) || SECRET_NAMES.contains(&word.as_str())
    };
    let is_secret_pair = |pair: &[String]| {
        let (owner, thing) = (pair[0].as_str(), pair[1].as_str());
        matches!(thing, "key" | "keys") && KEY_OWNERS.contains(&owner)
            || matches!(thing, "pass" | "pwd") && pair[0] != "old"
    };
    words.iter().any(is_secret_word) || words.windows(2).any(is_secret_pair)
}

/// Splits a name at everything that is not a letter or a digit, and where a lower-case letter
/// meets an upper-case one; the words come in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        if !c.is_alphanumeric() || before.is_lowercase() && c.is_uppercase() {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            let last = words.last_mut().expect("there is always a word");
            last.extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::looks_like_secret;

    #[test]
    fn names_of_secrets_are_known() {
        for name in [
            "API_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_ACCESS_KEY_ID",
            "AWS_SESSION_TOKEN",
            "DB_PASSWORD",
            "DB_PASS",
            "MYSQL_PWD",
            "PGPASSWORD",
            "SSHPASS",
            "GITHUB_TOKEN",
            "GITHUB_PAT",
            "HF_TOKEN",
            "githubToken",
            "PRIVATE_KEY",
            "SSH_PRIVATE_KEY",
            "API_KEY",
            "OPENAI_API_KEY",
            "APIKEY",
            "AUTH",
            "BASIC_AUTH",
            "npm_config_//registry.npmjs.org/:_authToken",
            "AZURE_STORAGE_KEY",
            "GOOGLE_CREDENTIALS",
            "SESSION_COOKIE",
            "client-secret",
            "token",
        ] {
            assert!(looks_like_secret(name), "{name}");
        }
    }

    #[test]
    fn names_that_only_contain_such_words_are_not() {
        for name in [
            "",
            "_",
            "TOKENIZERS_PARALLELISM",
            "KEYBOARD",
            "SORT_KEY",
            "KEY",
            "PWD",
            "OLDPWD",
            "OLD_PWD",
            "MONKEY",
            "PATH",
            "AUTHOR",
            "GIT_AUTHOR_NAME",
            "PASSES",
            "BYPASS",
            "SECRETARY",
            "COMPASS",
            "SSH_AUTH_SOCK",
            "TOKEN_LIMIT",
            "SECRET_FILE",
            "PGPASSFILE",
            "OMP_NUM_THREADS",
            "LANG",
            "ACCESS_MODE",
            "PRIVATE_DIR",
            "KEY_COLUMN",
        ] {
            assert!(!looks_like_secret(name), "{name}");
        }
    }
}
