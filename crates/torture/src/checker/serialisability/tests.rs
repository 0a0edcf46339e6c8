//! Both checkers are held against each other on histories by chance.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::by_adya::{self, ELEMENTS_MAX};
use super::lists::{ListCall, Lists, Seen};
use super::own::{self, AnomalyKind};
use crate::simulation::{Defect, Settings, simulate};

/// Returns the kinds that our own checker finds, after `adya` has agreed that there are some or
/// none.
fn agreed(lists: &Lists, name: &str) -> Vec<AnomalyKind> {
    let own = own::anomalies(lists);
    let adya = by_adya::judge(lists, ELEMENTS_MAX);
    assert_eq!(adya.left_out, 0);
    assert_eq!(
        own.is_empty(),
        adya.is_valid(),
        "{name}: our own checker found {own:#?}, adya {adya:#?}",
    );
    own.into_iter().map(|anomaly| anomaly.kind).collect()
}

/// Returns calls that read and append at the times of their choice. In a right history a call does
/// all at one time between its beginning and its end; `wrong` is the share of calls that do not.
fn by_chance(seed: u64, wrong: f64) -> Lists {
    const LISTS: usize = 3;
    let mut random = StdRng::seed_from_u64(seed);
    let mut lists = Lists {
        names: (0..LISTS).map(|list| format!("list {list}")).collect(),
        last: vec![Vec::new(); LISTS],
        calls: Vec::new(),
    };
    let mut steps: Vec<(u64, usize, usize, Option<u32>)> = Vec::new();
    for process in 0..4 {
        let mut now = 100 + process;
        for _ in 0..12 {
            let call = lists.calls.len();
            let answered = now + random.random_range(5..40);
            let at = random.random_range(now..=answered);
            let is_wrong = random.random_bool(wrong);
            let is_aborted = random.random_bool(0.05);
            let is_unknown = !is_aborted && random.random_bool(0.1);
            let happens = !is_aborted && (!is_unknown || random.random_bool(0.5));
            let mut appends = Vec::new();
            for list in 0..LISTS {
                let element = u32::try_from(call * LISTS + list).unwrap();
                let time = |random: &mut StdRng, earliest| {
                    if is_wrong {
                        random.random_range(earliest..=answered)
                    } else {
                        at
                    }
                };
                // An acknowledged append can get lost.
                let is_lost = is_wrong && random.random_bool(0.1);
                if random.random_bool(0.4) {
                    appends.push((list, element));
                    if happens && !is_lost {
                        steps.push((time(&mut random, now), call, list, Some(element)));
                    }
                }
                if random.random_bool(0.5) && happens && !is_unknown {
                    steps.push((time(&mut random, now.saturating_sub(60)), call, list, None));
                }
            }
            lists.calls.push(ListCall {
                name: format!("call {call}"),
                sent: now,
                answered: (!is_aborted && !is_unknown).then_some(answered),
                is_aborted,
                appends,
                reads: Vec::new(),
            });
            now = answered + random.random_range(1..20);
        }
    }
    // Within a call, reads are before appends, and so are never of its own.
    steps.sort_by_key(|(at, call, list, element)| (*at, *call, element.is_some(), *list));
    for (_, call, list, element) in steps {
        match element {
            Some(element) => lists.last[list].push(element),
            None => {
                let length = lists.last[list].len();
                lists.calls[call].reads.push((list, Seen::Prefix(length)));
            }
        }
    }
    disturb_reads(&mut lists, &mut random, wrong);
    lists
        .calls
        .retain(|call| !call.appends.is_empty() || !call.reads.is_empty());
    lists
}

/// Exchanges elements of some reads, or adds those of calls that did not happen.
fn disturb_reads(lists: &mut Lists, random: &mut StdRng, share: f64) {
    let aborted: Vec<_> = lists
        .calls
        .iter()
        .filter(|call| call.is_aborted)
        .flat_map(|call| call.appends.clone())
        .collect();
    let mut calls = std::mem::take(&mut lists.calls);
    for (list, seen) in calls.iter_mut().flat_map(|call| &mut call.reads) {
        if !random.random_bool(0.25) || !random.random_bool(share) {
            continue;
        }
        let mut elements = lists.elements(*list, seen).to_vec();
        let dirty = aborted.iter().find(|(of, _)| of == list);
        match (dirty, random.random_bool(0.5)) {
            (Some((_, element)), true) => elements.push(*element),
            _ if elements.len() > 1 => elements.swap(0, 1),
            _ => {}
        }
        let is_prefix = lists.last[*list].starts_with(&elements);
        *seen = if is_prefix {
            Seen::Prefix(elements.len())
        } else {
            Seen::Other(elements)
        };
    }
    lists.calls = calls;
}

#[test]
fn both_checkers_agree_on_histories_by_chance() {
    let mut kinds: BTreeMap<AnomalyKind, usize> = BTreeMap::new();
    let (mut right, mut wrong) = (0, 0);
    for seed in 0..1_500 {
        let share = [0.0, 0.02, 0.1, 0.5][usize::try_from(seed % 4).unwrap()];
        let found = agreed(&by_chance(seed, share), &format!("seed {seed}"));
        assert!(share > 0.0 || found.is_empty(), "seed {seed}: {found:?}");
        right += usize::from(found.is_empty());
        wrong += usize::from(!found.is_empty());
        for kind in found {
            *kinds.entry(kind).or_default() += 1;
        }
    }
    assert!(right > 375 && wrong > 375, "{right} right, {wrong} wrong");
    // Lists have each element once here, and adya does not look for elements that are there twice.
    assert_eq!(kinds.len(), 8, "{kinds:?}");
    assert!(!kinds.contains_key(&AnomalyKind::DuplicateElement));
}

#[test]
fn both_checkers_agree_on_loads_of_right_and_broken_ledgers() {
    let mut wrong = 0;
    for seed in 0..20 {
        for defect in std::iter::once(None).chain(Defect::ALL.map(Some)) {
            let settings = Settings::new(seed).with_calls(200);
            let settings = defect.map_or(settings, |defect| settings.with_defect(defect));
            let (history, books) = simulate(&settings);
            let verdicts = super::judge(&history, &books);
            let name = defect.map_or("right", Defect::name);
            assert!(verdicts.agree(), "seed {seed}, {name}: {verdicts:#?}");
            assert!(defect.is_some() || verdicts.own.is_empty());
            assert!(verdicts.calls > 100);
            wrong += usize::from(!verdicts.own.is_empty());
        }
    }
    assert!(wrong > 20, "{wrong}");
}
