//! The sections of a manual page that clap does not generate.

use crate::exit::Exit;

/// A command with example lines; a command without own examples shows those of its subcommands.
const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "neobank customer create",
        &["neobank customer create --first-name Ada --last-name Byron --email ada@example.org"],
    ),
    (
        "neobank customer show",
        &["neobank customer show 01a20965-a098-7575-9a06-6fd66fbd3c75"],
    ),
    ("neobank customer find", &["neobank customer find --json"]),
    (
        "neobank customer update",
        &["neobank customer update 01a20965-a098-7575-9a06-6fd66fbd3c75 --first-name Ada"],
    ),
    (
        "neobank account open",
        &[
            "neobank account open --customer 01a20965-a098-7575-9a06-6fd66fbd3c75 --currency CZK --time-zone Europe/Prague",
        ],
    ),
    (
        "neobank account show",
        &["neobank account show NB000000000001"],
    ),
    (
        "neobank account list",
        &["neobank account list 01a20965-a098-7575-9a06-6fd66fbd3c75"],
    ),
    (
        "neobank account freeze",
        &["neobank account freeze NB000000000001"],
    ),
    (
        "neobank account unfreeze",
        &["neobank account unfreeze NB000000000001"],
    ),
    (
        "neobank account close",
        &["neobank account close NB000000000001"],
    ),
    (
        "neobank account reopen",
        &["neobank account reopen NB000000000001 --actor supervisor:7"],
    ),
    (
        "neobank account overdraft",
        &["neobank account overdraft NB000000000001 500.00"],
    ),
    (
        "neobank account limits list",
        &["neobank account limits list NB000000000001"],
    ),
    (
        "neobank account limits set",
        &[
            "neobank account limits set NB000000000001 --side debit --window day --amount 20000",
            "neobank account limits set NB000000000001 --side debit --window 24h --type withdrawal --amount 5000",
        ],
    ),
    (
        "neobank account limits remove",
        &["neobank account limits remove NB000000000001 --side debit --window day"],
    ),
    (
        "neobank preferences show",
        &["neobank preferences show ada@example.org"],
    ),
    (
        "neobank preferences set",
        &["neobank preferences set ada@example.org language=cs paper=false"],
    ),
    (
        "neobank preferences unset",
        &["neobank preferences unset ada@example.org paper"],
    ),
    (
        "neobank changes list",
        &[
            "neobank changes list --account NB000000000001",
            "neobank changes list --customer ada@example.org --from 2026-11-01 --json",
        ],
    ),
    (
        "neobank transfer",
        &[
            "neobank transfer --from NB000000000001 --to NB000000000002 --amount \"12.50 CZK\" --key rent-2026-11",
        ],
    ),
    (
        "neobank deposit",
        &["neobank deposit --account NB000000000001 --amount \"100 CZK\""],
    ),
    (
        "neobank withdraw",
        &["neobank withdraw --account NB000000000001 --amount \"100 CZK\" --json"],
    ),
    (
        "neobank interest",
        &[
            "neobank interest --account NB000000000001 --amount \"1.25 CZK\" --key interest-2026-11",
            "neobank interest --account NB000000000001 --amount \"3 CZK\" --charge",
        ],
    ),
    (
        "neobank fee",
        &[
            "neobank fee --account NB000000000001 --amount \"5 CZK\" --description Card",
            "neobank fee --account NB000000000001 --amount \"5 CZK\" --return",
        ],
    ),
    (
        "neobank adjust",
        &["neobank adjust --account NB000000000001 --balance \"749.50 CZK\" --expected-version 3"],
    ),
    (
        "neobank submit",
        &[
            "neobank submit payroll.csv --key-prefix payroll-2026-11-",
            "neobank submit - --stop-on-error",
        ],
    ),
    (
        "neobank hold create",
        &[
            "neobank hold create --account NB000000000001 --to NB000000000002 --amount \"180 CZK\" --expires-in 7days --key booking-4711",
            "neobank hold create --account NB000000000001 --amount \"180 CZK\" --expires-at 2026-12-06T12:00:00+01:00",
        ],
    ),
    (
        "neobank hold capture",
        &[
            "neobank hold capture booking-4711 --amount \"120 CZK\" --keep-rest --key booking-4711-1",
            "neobank hold capture booking-4711",
        ],
    ),
    (
        "neobank hold release",
        &["neobank hold release booking-4711"],
    ),
    (
        "neobank hold list",
        &[
            "neobank hold list --account NB000000000001",
            "neobank hold list --due --json",
        ],
    ),
    ("neobank hold show", &["neobank hold show booking-4711"]),
    ("neobank hold expire", &["neobank hold expire --limit 100"]),
    (
        "neobank exchange",
        &[
            "neobank exchange --from NB000000000001 --to NB000000000003 --sold \"1000 CZK\" --rate 0.0399",
            "neobank exchange --from NB000000000001 --to NB000000000003 --bought \"40 EUR\" --rate 0.0399 --quote Q-17 --quote-expires-at 2026-12-06T12:00:00+01:00",
        ],
    ),
    (
        "neobank transfers list",
        &[
            "neobank transfers list --account NB000000000001 --at-least \"1000 CZK\" --from 2026-11-01",
            "neobank transfers list --type fee --limit 20 --json",
        ],
    ),
    (
        "neobank transfers show",
        &[
            "neobank transfers show TRF-01A20965A67B75A7BCF93170999DAB98",
            "neobank transfers show rent-2026-11",
        ],
    ),
    (
        "neobank statement",
        &["neobank statement NB000000000001 --from 2026-11-01 --to 2026-11-30"],
    ),
    (
        "neobank daily-summary",
        &["neobank daily-summary NB000000000001 --month 2026-11"],
    ),
    (
        "neobank period close",
        &["neobank period close --currency CZK --through 2026-10-31 --actor controller:1"],
    ),
    (
        "neobank period reopen",
        &["neobank period reopen --currency CZK --actor controller:1"],
    ),
    (
        "neobank period list",
        &["neobank period list --currency CZK"],
    ),
    (
        "neobank balances",
        &[
            "neobank balances --at 2026-11-01T00:00:00+01:00 --account NB000000000001",
            "neobank balances --currency CZK --limit 1000 --json",
            "neobank balances --at 2026-11-01 --by value-date --account NB000000000001",
        ],
    ),
    (
        "neobank trial-balance",
        &["neobank trial-balance --at 2026-11-01"],
    ),
    (
        "neobank import",
        &[
            "neobank import --source old-bank --currency CZK --customers customers.csv.gz --accounts accounts.csv.gz --transactions transactions.csv.gz --check",
            "neobank import --source old-bank --currency CZK --customers customers.csv --accounts accounts.csv --transactions -",
        ],
    ),
    (
        "neobank api-key create",
        &["neobank api-key create --name shop --scope transfers:write --actor admin:1"],
    ),
    ("neobank api-key list", &["neobank api-key list --json"]),
    (
        "neobank api-key revoke",
        &["neobank api-key revoke 01a20965-a098-7575-9a06-6fd66fbd3c75 --actor admin:1"],
    ),
    (
        "neobank webhook create",
        &[
            "neobank webhook create https://shop.example/events --event-type transfer.posted --actor admin:1",
        ],
    ),
    ("neobank webhook list", &["neobank webhook list"]),
    (
        "neobank webhook rotate",
        &[
            "neobank webhook rotate 01a20965-a098-7575-9a06-6fd66fbd3c75 --overlap-hours 48 --actor admin:1",
        ],
    ),
    (
        "neobank webhook replay",
        &[
            "neobank webhook replay 01a20965-a098-7575-9a06-6fd66fbd3c75 --after 4711 --actor admin:1",
        ],
    ),
    (
        "neobank webhook enable",
        &["neobank webhook enable 01a20965-a098-7575-9a06-6fd66fbd3c75 --actor admin:1"],
    ),
    (
        "neobank webhook disable",
        &["neobank webhook disable 01a20965-a098-7575-9a06-6fd66fbd3c75 --actor admin:1"],
    ),
    (
        "neobank webhook delete",
        &["neobank webhook delete 01a20965-a098-7575-9a06-6fd66fbd3c75 --actor admin:1"],
    ),
    ("neobank serve", &["neobank serve --listen 127.0.0.1:8080"]),
    (
        "neobank seal",
        &[
            "neobank seal",
            "neobank seal --follow",
            "neobank seal --head --json",
            "neobank seal --check -w 10 -c 60",
        ],
    ),
    (
        "neobank events",
        &[
            "neobank events --from 1 --limit 20",
            "neobank events --consumer notifications --follow --json",
        ],
    ),
    (
        "neobank audit",
        &[
            "neobank audit",
            "neobank audit --check -t 600",
            "neobank audit --chain --head head.json",
        ],
    ),
    ("neobank migrate up", &["neobank migrate up"]),
    ("neobank migrate down", &["neobank migrate down"]),
    (
        "neobank migrate status",
        &["neobank migrate status --check"],
    ),
    ("neobank migrate plan", &["neobank migrate plan"]),
    ("neobank migrate fresh", &["neobank migrate fresh"]),
    (
        "neobank ops connections",
        &["neobank ops connections --check -w @80: -c @95:"],
    ),
    (
        "neobank ops locks",
        &[
            "neobank ops locks",
            "neobank ops locks --check -H db.example -t 10",
        ],
    ),
    (
        "neobank ops idle",
        &["neobank ops idle --check --warning 10 --critical 20"],
    ),
    ("neobank ops deadlocks", &["neobank ops deadlocks"]),
    ("neobank ops health", &["neobank ops health --json"]),
    ("neobank ops transactions", &["neobank ops transactions"]),
    ("neobank ops statements", &["neobank ops statements"]),
    (
        "neobank ops cache",
        &["neobank ops cache --check -w 99: -c 90:"],
    ),
    ("neobank ops bloat", &["neobank ops bloat --schema banking"]),
    (
        "neobank ops indexes",
        &["neobank ops indexes --schema banking"],
    ),
    ("neobank ops vacuum", &["neobank ops vacuum"]),
    (
        "neobank ops sealing",
        &["neobank ops sealing --check -w 30 -c 300"],
    ),
    (
        "neobank ops pool-size",
        &[
            "neobank ops pool-size --max-connections 100 --mean-hold 5 --transactions-per-second 1000 --cores 8",
        ],
    ),
    (
        "neobank ops pgbouncer",
        &[
            "neobank ops pgbouncer --target-version 1.18 --database bank --host db.example --server-ca /etc/ssl/bank/root.crt",
        ],
    ),
    ("neobank ops mvcc", &["neobank ops mvcc banking accounts"]),
    ("neobank ops isolation", &["neobank ops isolation"]),
    (
        "neobank ops report",
        &[
            "neobank ops report --html report.html",
            "neobank ops report --check",
        ],
    ),
    (
        "neobank ops thresholds",
        &["neobank ops thresholds", "neobank ops thresholds --json"],
    ),
    (
        "neobank top",
        &["neobank top -n 5 -f teller", "neobank top --once --json"],
    ),
    (
        "neobank serve-metrics",
        &[
            "neobank serve-metrics",
            "neobank serve-metrics --listen :9187",
        ],
    ),
    ("neobank bench", &["neobank bench --help"]),
    ("neobank completions", &["neobank completions bash"]),
    ("neobank man", &["neobank man /usr/local/share/man/man1"]),
];

/// Variables with their purpose; docs/configuration.md has the whole table with units and defaults.
const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "DATABASE_URL",
        "the database, as postgresql://user@host:port/name; --url wins over it",
    ),
    (
        "DB_HOST, DB_PORT, DB_NAME, DB_USER",
        "the same in parts, where there is no DATABASE_URL",
    ),
    (
        "DB_PASSWORD",
        "the password, also where --url has none; no output shows it",
    ),
    ("DB_ROLE", "a role to act as, such as neobank_app"),
    (
        "DB_TLS_MODE, DB_TLS_ROOT_CERTIFICATE",
        "disable or verify-full, and the file of the trusted authorities",
    ),
    (
        "DB_POOLER",
        "none, or transaction behind a pooler such as PgBouncer",
    ),
    (
        "DB_APPLICATION_NAME",
        "the name that the server shows; the default is neobank and the command",
    ),
    (
        "DB_CONNECT_TIMEOUT, DB_STATEMENT_TIMEOUT, DB_LOCK_TIMEOUT, DB_COMMIT_TIMEOUT",
        "limits as durations with a unit, such as 500ms or 2s",
    ),
    (
        "DB_ACQUIRE_TIMEOUT, DB_IDLE_TIMEOUT, DB_IDLE_IN_TRANSACTION_TIMEOUT",
        "more limits, of the pool and of idle sessions",
    ),
    (
        "DB_POOL_MIN, DB_POOL_MAX, DB_POOL_AUTO_SIZE, DB_POOL_WAITERS_MAX",
        "the size of the pool; a command uses three connections at most",
    ),
    ("COLUMNS", "the width of tables, instead of the terminal's"),
    ("NO_COLOR", "no colours, unless --color says otherwise"),
];

/// Writes the sections.
pub(super) fn render(name: &str, page: &mut Vec<u8>) {
    let mut text = String::from(".SH EXAMPLES\n.nf\n");
    for line in examples_of(name) {
        text.push_str(&format!("{}\n", escaped(line)));
    }
    text.push_str(".fi\n.SH ENVIRONMENT\n");
    for (names, meaning) in ENVIRONMENT {
        text.push_str(&format!(".TP\n{}\n{}\n", escaped(names), escaped(meaning)));
    }
    text.push_str(".SH \"EXIT STATUS\"\n");
    for exit in Exit::ALL {
        let meaning = escaped(exit.meaning());
        text.push_str(&format!(".TP\n{}\n{meaning}\n", exit.code()));
    }
    text.push_str(".PP\nWith \\-\\-check: 0 ok, 1 warning, 2 critical, 3 unknown.\n");
    page.extend_from_slice(text.as_bytes());
}

/// Returns every line of an example.
#[cfg(test)]
pub(super) fn examples() -> impl Iterator<Item = &'static str> {
    EXAMPLES.iter().flat_map(|(_, lines)| lines.iter().copied())
}

/// Splits an example into words, as a shell does.
#[cfg(test)]
pub(super) fn words(line: &str) -> Vec<&str> {
    let parts = line.split('"').enumerate();
    parts
        .flat_map(|(number, part)| match number % 2 {
            0 => part.split_whitespace().collect(),
            _ => vec![part],
        })
        .collect()
}

fn examples_of(name: &str) -> Vec<&'static str> {
    let of = |fits: &dyn Fn(&str) -> bool| {
        let fitting = EXAMPLES.iter().filter(|(command, _)| fits(command));
        fitting
            .flat_map(|(_, lines)| lines.iter().copied())
            .collect::<Vec<_>>()
    };
    let own = of(&|command| command == name);
    if own.is_empty() {
        of(&|command| {
            command
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(' '))
        })
    } else {
        own
    }
}

/// Escapes a text for roff.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) {
        format!("\\&{text}")
    } else {
        text
    }
}
