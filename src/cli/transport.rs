//! `seamline transport`: one optimal-transport problem, in f64, for checking the solver from outside.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{CliError, Output};
use crate::ot::{self, SinkhornOptions};

#[derive(clap::Args)]
pub struct Arguments {
    /// A JSON file: {cost[[..]], a[..], b[..], epsilon (absent: exact), iterations?, tolerance?}; `-` reads stdin
    problem: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Problem {
    cost: Vec<Vec<f64>>,
    a: Vec<f64>,
    b: Vec<f64>,
    epsilon: Option<f64>,
    iterations: Option<usize>,
    tolerance: Option<f64>,
}

#[derive(Serialize)]
struct Answer {
    plan: Vec<Vec<f64>>,
    cost: f64,
    iterations: usize,
    row_error: f64,
    column_error: f64,
}

/// Without `iterations` and `tolerance`: until the marginals are this exact, or this many iterations.
const DEFAULT_TOLERANCE: f64 = 1e-9;
const DEFAULT_ITERATIONS: usize = 10_000;

pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), CliError> {
    let name = arguments.problem.display();
    let text = if arguments.problem.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(&arguments.problem)
    }
    .map_err(|error| CliError::Failure(format!("cannot read the problem: {error}: {name}")))?;
    let problem: Problem = serde_json::from_str(&text)
        .map_err(|error| CliError::Failure(format!("not a transport problem: {error}: {name}")))?;
    let answer = solve(&problem).map_err(|error| match error {
        CliError::Failure(text) => CliError::Failure(format!("{text}: {name}")),
        other => other,
    })?;
    output.json(&answer)
}

fn solve(problem: &Problem) -> Result<Answer, CliError> {
    let columns = problem.b.len();
    if let Some(row) = problem.cost.iter().position(|row| row.len() != columns) {
        let found = problem.cost[row].len();
        return Err(CliError::Failure(format!("row {row} of the cost has {found} entries where b has {columns}")));
    }
    let cost: Vec<f64> = problem.cost.concat();
    let solution = match problem.epsilon {
        None => ot::exact(&cost, &problem.a, &problem.b)?,
        Some(epsilon) => {
            // A number of iterations alone means exactly that many.
            let tolerance =
                problem.tolerance.unwrap_or(if problem.iterations.is_some() { 0.0 } else { DEFAULT_TOLERANCE });
            let max_iterations = problem.iterations.unwrap_or(DEFAULT_ITERATIONS);
            ot::sinkhorn(&cost, &problem.a, &problem.b, &SinkhornOptions { epsilon, max_iterations, tolerance })?
        }
    };
    Ok(Answer {
        plan: solution.plan.chunks(columns.max(1)).map(<[f64]>::to_vec).collect(),
        cost: solution.cost,
        iterations: solution.iterations,
        row_error: solution.row_error,
        column_error: solution.column_error,
    })
}
