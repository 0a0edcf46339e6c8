//! What each command answers in each place.

use super::cells::Cell;
use super::programs::{Program, scrape};
use crate::cli::program::Run;

/// A command, and the exit codes that it ends with, a digit for each place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) program: Program,
    /// The command and its arguments; words in braces are the place's own.
    line: &'static str,
    codes: &'static str,
}

/// Commands that are not run here, and why.
pub(super) const OUTSIDE: &[(&str, &str)] = &[
    (
        "xtask generate",
        "starts its own server, and has a step of its own in CI",
    ),
    ("xtask test", "runs this very test"),
    ("xtask torture", "starts the servers that it breaks"),
    (
        "neobank serve",
        "runs until it is stopped, and has tests of its own in tests/it/server",
    ),
];

const fn neobank(codes: &'static str, line: &'static str) -> Row {
    Row {
        program: Program::Neobank,
        line,
        codes,
    }
}

const fn xtask(codes: &'static str, line: &'static str) -> Row {
    Row {
        program: Program::Xtask,
        line,
        codes,
    }
}

/// The exit codes of `neobank`: 0 right, 1 rejected or n/a, 2 usage, 3 unknown, 5 unavailable, 6 denied,
/// 7 failed, n right or n/a, as other sessions are there whose state is hidden or not, ? right or any of
/// 1, 5 and 6. Those of
/// `xtask`: 0 right, 1 something is pending, 2 failed. One digit alone is of a command that needs no
/// database: it is run once.
#[rustfmt::skip]
pub(super) const COMMANDS: &[Row] = &[
    //       the roles on the primary: owner, application, reader, monitor, stranger, superuser
    //       |      beside LATIN1
    //       |      | the standby, the same with DB_POOLER=transaction
    //       |      | |  the poolers: session, transaction
    //       |      | |  |  TLS: self-signed, leaf without a name, leaf with one
    //       |      | |  |  |
    neobank("006660 0 55 00 050", "customer create --first-name Grace --last-name Hopper --born 1906-12-09"),
    neobank("000660 0 00 00 050", "customer show ada@bank.example"),
    neobank("000660 0 00 00 050", "customer find --limit 2"),
    neobank("006660 0 55 00 050", "customer update ada@bank.example --last-name King"),
    neobank("006660 0 55 00 050", "account open --customer ada@bank.example --currency CZK"),
    neobank("000660 0 00 00 050", "account show {payer}"),
    neobank("000660 0 00 00 050", "account list ada@bank.example"),
    neobank("006660 0 55 00 050", "account freeze {empty}"),
    neobank("006660 0 55 00 050", "account unfreeze {empty}"),
    neobank("006660 0 55 00 050", "account overdraft {empty} 10"),
    neobank("006660 0 55 00 050", "account limits set {empty} --side debit --window day --amount 10"),
    neobank("000660 0 00 00 050", "account limits list {empty}"),
    neobank("006660 0 55 00 050", "account limits remove {empty} --side debit --window day"),
    neobank("006660 0 55 00 050", "account close {empty}"),
    neobank("006660 0 55 00 050", "account reopen {empty} --actor supervisor:7"),
    neobank("006660 0 55 00 050", "preferences set ada@bank.example language=cs"),
    neobank("000660 0 00 00 050", "preferences show ada@bank.example"),
    neobank("006660 0 55 00 050", "preferences unset ada@bank.example language"),
    neobank("000660 0 00 00 050", "changes list --customer ada@bank.example"),
    neobank("006660 0 55 00 050", "transfer --from {payer} --to {payee} --amount 1_CZK"),
    neobank("006660 0 55 00 050", "deposit --account {payer} --amount 1_CZK"),
    neobank("006660 0 55 00 050", "withdraw --account {payer} --amount 1_CZK"),
    neobank("006660 0 55 00 050", "interest --account {payer} --amount 1_CZK"),
    neobank("006660 0 55 00 050", "fee --account {payer} --amount 1_CZK"),
    neobank("116661 1 55 11 151", "adjust --account {payer} --balance 5_CZK --expected-version 1"),
    neobank("006660 0 55 00 050", "reverse payer-opening --amount 0.01_CZK"),
    neobank("006660 0 55 00 050", "exchange --from {payer} --to {euro} --sold 1_CZK --rate 0.04"),
    neobank("006660 0 55 00 050", "submit {folder}/requests.csv --key-prefix matrix-"),
    neobank("006660 0 55 00 050", "hold create --account {payer} --to {payee} --amount 1_CZK --expires-in 1h"),
    neobank("006660 0 55 00 050", "hold capture {hold} --amount 1_CZK --keep-rest"),
    neobank("000660 0 00 00 050", "hold list --account {payer}"),
    neobank("000660 0 00 00 050", "hold show {hold}"),
    neobank("006660 0 55 00 050", "hold release {hold}"),
    // No hold is due, so that nothing is written.
    neobank("000660 0 00 00 050", "hold expire"),
    neobank("000660 0 00 00 050", "transfers list --account {payer}"),
    neobank("000660 0 00 00 050", "transfers show payer-opening"),
    neobank("000660 0 00 00 050", "statement {payer} --from 2000-01-01 --to 2100-01-01"),
    neobank("000660 0 00 00 050", "daily-summary {payer} --day 2026-01-01"),
    neobank("000660 0 00 00 050", "balances"),
    neobank("000660 0 00 00 050", "trial-balance"),
    neobank("006660 0 55 00 050", "seal"),
    neobank("000660 0 00 00 050", "events --limit 5"),
    neobank("006660 0 55 00 050", "period close --currency CZK --through 2001-01-01 --actor controller:1"),
    neobank("000660 0 00 00 050", "period list"),
    neobank("006660 0 55 00 050", "period reopen --currency CZK --actor controller:1"),
    neobank("006660 0 55 00 050", "api-key create --name matrix --scope transfers:write --actor admin:1"),
    neobank("006660 0 00 00 050", "api-key list"),
    neobank("336663 3 55 33 353", "api-key revoke 01942f3e-6a7b-7c00-8000-0000000000aa --actor admin:1"),
    neobank("006660 0 55 00 050", "webhook create https://shop.example/events --actor admin:1"),
    neobank("006660 0 00 00 050", "webhook list"),
    neobank("336663 3 55 33 353", "webhook rotate 01942f3e-6a7b-7c00-8000-0000000000aa --actor admin:1"),
    neobank("336663 3 55 33 353", "webhook replay --after 0 01942f3e-6a7b-7c00-8000-0000000000aa --actor admin:1"),
    neobank("336663 3 55 33 353", "webhook enable 01942f3e-6a7b-7c00-8000-0000000000aa --actor admin:1"),
    neobank("336663 3 55 33 353", "webhook disable 01942f3e-6a7b-7c00-8000-0000000000aa --actor admin:1"),
    neobank("336663 3 55 33 353", "webhook delete 01942f3e-6a7b-7c00-8000-0000000000aa --actor admin:1"),
    neobank("000660 0 00 00 050", "audit"),
    neobank("000660 0 00 00 050", "audit --chain"),
    neobank("000000 0 00 00 050", "ops connections"),
    neobank("000000 0 00 00 050", "ops locks"),
    neobank("111010 0 11 11 151", "ops idle"),
    neobank("000110 0 00 00 050", "ops deadlocks"),
    neobank("nnn110 0 nn nn n5n", "ops health"),
    neobank("111010 0 11 11 151", "ops transactions"),
    neobank("000000 0 00 00 050", "ops statements"),
    neobank("000000 0 00 00 050", "ops cache"),
    neobank("000000 0 00 00 050", "ops bloat"),
    neobank("000000 0 00 00 050", "ops indexes"),
    neobank("000000 0 00 00 050", "ops vacuum"),
    neobank("000010 0 00 00 050", "ops sealing"),
    neobank("0", "ops pool-size --max-connections 100 --mean-hold 5 --transactions-per-second 1000"),
    neobank("0", "ops pgbouncer --target-version 1.18 --database bank --host 127.0.0.1"),
    neobank("000110 0 00 00 050", "ops mvcc banking accounts"),
    neobank("066660 0 55 00 050", "ops isolation"),
    neobank("000000 0 00 00 050", "ops report --html {folder}/report.html"),
    neobank("0", "ops thresholds"),
    neobank("000000 0 00 00 050", "top --once --interval 1"),
    neobank("000000 0 00 00 050", "serve-metrics --listen 127.0.0.1:0 --scrape-timeout 60000"),
    neobank("666660 0 55 66 555", "bench --url {url} --ways function --accounts 2 --callers 1 --seconds 1 --warm-up 0 --accounts-chosen random --quiet"),
    neobank("0", "completions bash"),
    neobank("0", "man {folder}/man"),
    neobank("000000 0 02 22 050", "migrate status"),
    neobank("011111 1 02 22 050", "migrate plan --down 1"),
    xtask("0", "pool --simulated --output {folder}/pool"),
    xtask("222220 0 22 22 222", "demo --database-url {url} --transfers 10"),
    neobank("666660 0 66 ?6 656", "import --customers {folder}/customers.csv --accounts {folder}/accounts.csv --transactions {folder}/transactions.csv --source matrix --currency EUR"),
    xtask("000000 0 02 22 020", "migrate status"),
    xtask("022222 2 02 22 020", "migrate plan"),
    // From here on rows are destroyed.
    xtask("022222 2 22 22 020", "migrate down --yes-destroy {database}"),
    xtask("022222 2 02 22 020", "migrate up"),
    xtask("022222 2 22 22 020", "migrate fresh --yes-destroy {database}"),
    neobank("011111 1 52 22 050", "migrate down --yes-destroy {database}"),
    neobank("011111 1 02 22 050", "migrate up"),
    neobank("011111 1 52 22 050", "migrate fresh --yes-destroy {database}"),
];

fn codes_of(letter: char) -> &'static [i32] {
    match letter {
        '0' => &[0],
        '1' => &[1],
        '2' => &[2],
        '3' => &[3],
        '5' => &[5],
        '6' => &[6],
        '7' => &[7],
        'n' => &[0, 1],
        '?' => &[0, 1, 5, 6],
        _ => panic!("{letter} stands for no exit code"),
    }
}

impl Row {
    /// The program and the command, without the arguments.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.program.name(), self.command())
    }

    /// The command, without the arguments.
    pub(super) fn command(&self) -> String {
        let words: Vec<_> = self.line.split(' ').collect();
        let groups = [
            "customer",
            "account",
            "preferences",
            "changes",
            "period",
            "transfers",
            "hold",
            "api-key",
            "webhook",
            "ops",
            "migrate",
        ];
        let is_below = words[..2.min(words.len())] == ["account", "limits"];
        let count = 1 + usize::from(groups.contains(&words[0])) + usize::from(is_below);
        words[..count].join(" ")
    }

    /// The exit codes in each place; of one place alone for a command that needs no database.
    pub(super) fn expected(&self) -> Vec<&'static [i32]> {
        let codes = self.codes.chars().filter(|code| *code != ' ');
        codes.map(codes_of).collect()
    }

    /// Whether the answer is asked for as JSON; the exporter has a format of its own.
    pub(super) fn has_json(&self) -> bool {
        self.program == Program::Neobank && self.command() != "serve-metrics"
    }

    /// Runs it in this place, as a program asks for it or as a person does.
    pub(super) fn run(&self, cell: &Cell, wants_json: bool) -> Run {
        let url = [("url", cell.url.clone())];
        let facts = || cell.facts.iter().chain(&url);
        let mut arguments: Vec<String> = self
            .line
            .split(' ')
            .map(|word| {
                let filled = facts().fold(word.to_owned(), |word, (name, value)| {
                    word.replace(&format!("{{{name}}}"), value)
                });
                filled.replace("_CZK", " CZK")
            })
            .collect();
        if wants_json && self.has_json() {
            arguments.push("--json".to_owned());
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut command = self.program.command(&cell.url, &arguments);
        command.current_dir(cell.folder.path());
        command.envs(cell.variables.iter().copied());
        if self.command() == "serve-metrics" {
            return scrape(command);
        }
        command.output().unwrap().into()
    }
}
