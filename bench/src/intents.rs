//! Intents: how long learning and guessing take, and, on data that is given, how often the guess is right.
//!
//! The data is text, a line for each: `train` or `test`, the intent, and what was said, between tabs. A test without an
//! intent belongs to none. docs/intents.md tells where to get some.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use penstock_route::Intents;
use penstock_route::intent::{self, Examples, LONGEST_EXAMPLE, THRESHOLD};

/// What is measured.
#[derive(clap::Args)]
pub struct Flags {
    /// Lines of `train|test TAB intent TAB text`. May be given several times.
    #[arg(long, value_name = "FILE")]
    data: Vec<PathBuf>,
    /// Learn from so many examples of each intent, drawn five times; from all when not given.
    #[arg(long)]
    shots: Option<usize>,
    /// From which score on an intent counts, in percent.
    #[arg(long, default_value_t = THRESHOLD)]
    threshold: u32,
}

/// The intent that is learned from examples of none.
const OTHER: &str = "other";
/// Draws of few examples.
const DRAWS: u64 = 5;
const ROUNDS: usize = 21;
const ROUND: Duration = Duration::from_millis(20);

/// Prints the tables. Fails for data that cannot be read, never for a figure.
pub fn run(flags: &Flags) -> anyhow::Result<()> {
    if flags.data.is_empty() { speed() } else { accuracy(flags) }
}

fn speed() -> anyhow::Result<()> {
    let mut out = String::from(
        "| intents × examples | learning | memory | 10 words | 50 words | 2 KiB | 100 KiB |\n|---|---|---|---|---|---|---|\n",
    );
    for (intents, examples, words) in [(3, 10, 9), (8, 30, 9), (32, 256, 9), (32, 256, 70)] {
        let examples = made_up(intents, examples, words);
        let start = Instant::now();
        let learned = learn(&examples)?;
        let learning = start.elapsed();
        let of_each = examples["i0"].len();
        write!(
            out,
            "| {intents} × {of_each}, {words} words | {} | {} |",
            shown(learning),
            memory(learned.size())
        )?;
        for words in [10, 50, 340, 17_000] {
            write!(out, " {} |", shown(guessing(&learned, &[sentence(&mut Chance(7), 0, words)])))?;
        }
        out.push('\n');
    }
    println!("{out}");
    Ok(())
}

/// Each intent has words of its own beside those of all, some of them often and most of them rarely.
fn made_up(intents: usize, examples: usize, words: usize) -> Examples {
    let mut chance = Chance(1);
    let of = |intent: usize, chance: &mut Chance| {
        (0..examples)
            .map(|_| sentence(chance, intent, words).chars().take(LONGEST_EXAMPLE).collect())
            .collect()
    };
    (0..intents).map(|intent| (format!("i{intent}"), of(intent, &mut chance))).collect()
}

fn sentence(chance: &mut Chance, intent: usize, words: usize) -> String {
    const SYLLABLES: [&str; 16] = [
        "re", "set", "pass", "word", "in", "voice", "de", "li", "ver", "y", "ac", "count", "or", "der",
        "pay", "ment",
    ];
    let word = |chance: &mut Chance| {
        // The product of two draws is small more often than large.
        let rank = chance.below(40) * chance.below(40);
        let seed = if chance.below(3) == 0 { rank + 2_000 * (intent as u64 + 1) } else { rank };
        let mut of_word = Chance(seed.wrapping_mul(0x9e37_79b9) + 1);
        (0..1 + of_word.below(3)).map(|_| SYLLABLES[of_word.below(16) as usize]).collect::<String>()
    };
    (0..words).map(|_| word(chance)).collect::<Vec<_>>().join(" ")
}

/// One file's lines.
#[derive(Default)]
struct Data {
    train: Examples,
    /// Intent and text.
    test: Vec<(String, String)>,
}

fn read(path: &Path) -> anyhow::Result<Data> {
    let mut data = Data::default();
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    for (i, line) in text.lines().enumerate() {
        let mut parts = line.splitn(3, '\t');
        match (parts.next(), parts.next(), parts.next()) {
            (Some("train"), Some(intent), Some(text)) => {
                let intent = if intent.is_empty() { OTHER } else { intent };
                data.train.entry(intent.to_owned()).or_default().push(text.to_owned());
            }
            (Some("test"), Some(intent), Some(text)) => data.test.push((intent.to_owned(), text.to_owned())),
            _ => bail!("{}:{}: not `train` or `test`, intent and text between tabs", path.display(), i + 1),
        }
    }
    // What a route would be refused for, such as a text that stands under two intents.
    for flaw in intent::flaws(&data.train).iter().rev() {
        if let (Some(texts), Some(i)) = (data.train.get_mut(&flaw.intent), flaw.example) {
            texts.remove(i);
        }
    }
    Ok(data)
}

/// Sums over draws; shares are counted, not averaged.
#[derive(Default)]
struct Score {
    asked: usize,
    right: usize,
    answered: usize,
    answered_right: usize,
    strangers: usize,
    turned_away: usize,
    /// Scores by tenths: how many, their sum, how many were right.
    tenths: [(usize, f64, usize); 10],
}

fn accuracy(flags: &Flags) -> anyhow::Result<()> {
    let threshold = f64::from(flags.threshold) / 100.0;
    let mut out = format!(
        "| data | intents | examples | asked | right | score ≥ {threshold} | right of these | calibration error | of none: asked | turned away | learning | a guess | memory |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n"
    );
    for path in &flags.data {
        let data = read(path)?;
        let mut score = Score::default();
        let draws = if flags.shots.is_some() { DRAWS } else { 1 };
        let (mut learning, mut guess, mut size, mut examples) = (Duration::ZERO, Duration::ZERO, 0, 0);
        for draw in 0..draws {
            let train = drawn(&data.train, flags.shots, draw);
            examples = train.values().map(Vec::len).sum();
            let start = Instant::now();
            let learned = learn(&train)?;
            learning += start.elapsed();
            size = size.max(learned.size());
            data.test.iter().for_each(|(intent, text)| score.count(&learned, intent, text, threshold));
            let texts: Vec<String> = data.test.iter().map(|(_, text)| text.clone()).collect();
            guess += guessing(&learned, &texts);
        }
        let draws = u32::try_from(draws)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let Score { asked, right, answered, answered_right, strangers, turned_away, tenths } = score;
        let off = |(count, sum, right): &(usize, f64, usize)| {
            (sum - *right as f64).abs() / (asked.max(1) as f64).max(*count as f64)
        };
        let calibration: f64 = tenths.iter().map(off).sum();
        writeln!(
            out,
            "| {name} | {} | {examples} | {} | {} | {} | {} | {calibration:.2} | {} | {} | {} | {} | {} |",
            data.train.len(),
            asked / draws as usize,
            share(right, asked),
            share(answered, asked),
            share(answered_right, answered),
            strangers / draws as usize,
            share(turned_away, strangers),
            shown(learning / draws),
            shown(guess / draws),
            memory(size),
        )?;
    }
    println!("{out}");
    Ok(())
}

impl Score {
    fn count(&mut self, learned: &Intents, intent: &str, text: &str, threshold: f64) {
        let guess = learned.guess(text);
        let score = guess.map_or(0.0, |guess| guess.score);
        let is_answered = score >= threshold && guess.is_some_and(|guess| guess.name != OTHER);
        if intent.is_empty() {
            self.strangers += 1;
            self.turned_away += usize::from(!is_answered);
            return;
        }
        let is_right = guess.is_some_and(|guess| guess.name == intent);
        self.asked += 1;
        self.right += usize::from(is_right);
        self.answered += usize::from(is_answered);
        self.answered_right += usize::from(is_answered && is_right);
        let tenth = self.tenths.iter_mut().take(1 + (score * 10.0) as usize).last();
        if let Some((count, sum, right)) = tenth {
            *count += 1;
            *sum += score;
            *right += usize::from(is_right);
        }
    }
}

fn drawn(train: &Examples, shots: Option<usize>, draw: u64) -> Examples {
    let Some(shots) = shots else { return train.clone() };
    let mut chance = Chance(draw + 1);
    let few = |texts: &Vec<String>| {
        let mut left = texts.clone();
        let mut few = Vec::new();
        while few.len() < shots && !left.is_empty() {
            few.push(left.swap_remove(chance.below(left.len() as u64) as usize));
        }
        few
    };
    let mut few = few;
    train.iter().map(|(intent, texts)| (intent.clone(), few(texts))).collect::<BTreeMap<_, _>>()
}

fn learn(examples: &Examples) -> anyhow::Result<Intents> {
    Intents::learn(examples).map_err(|flaw| anyhow::anyhow!("{flaw}"))
}

/// Of one guess, in the median round.
fn guessing(learned: &Intents, texts: &[String]) -> Duration {
    let mut rounds: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let (start, mut count) = (Instant::now(), 0);
            while start.elapsed() < ROUND {
                for text in texts {
                    let _ = black_box(learned.guess(text));
                }
                count += u32::try_from(texts.len()).unwrap_or(u32::MAX);
            }
            start.elapsed() / count.max(1)
        })
        .collect();
    rounds.sort_unstable();
    rounds[ROUNDS / 2]
}

fn share(part: usize, of: usize) -> String {
    if of == 0 { "-".to_owned() } else { format!("{:.1}%", 100.0 * part as f64 / of as f64) }
}

fn shown(time: Duration) -> String {
    match time {
        time if time >= Duration::from_secs(1) => format!("{:.1} s", time.as_secs_f64()),
        time if time >= Duration::from_millis(1) => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        time => format!("{:.1} µs", time.as_secs_f64() * 1e6),
    }
}

fn memory(bytes: usize) -> String {
    if bytes >= 1 << 20 {
        format!("{:.1} MiB", bytes as f64 / 1_048_576.0)
    } else {
        format!("{} KiB", bytes >> 10)
    }
}

/// The same draws in every run (SplitMix64, <https://prng.di.unimi.it/splitmix64.c>).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}
