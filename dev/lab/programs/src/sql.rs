//! A small database: SQL statements are parsed and run against tables in memory.

use std::{cmp::Ordering, collections::BTreeMap, fmt::Write};

use sqlparser::{
    ast::{
        self, AssignmentTarget, BinaryOperator, Expr, FromTable, SelectItem, SetExpr, Statement,
        TableFactor, TableObject, UnaryOperator,
    },
    dialect::GenericDialect,
    parser::Parser,
};

use super::Program;
use crate::random::Random;

pub const PROGRAM: Program = Program {
    name: "sql",
    about: "parses SQL statements and runs them on tables in memory: bulk inserts, updates, deletes and queries \
            (sqlparser)",
    input,
    run,
};

/// One statement per line.
fn input() -> String {
    let mut random = Random::new(9);
    let mut script = String::from(
        "CREATE TABLE parts (id INT, name VARCHAR(40), supplier VARCHAR(40), price DOUBLE, stock INT, note TEXT)\n",
    );
    for batch in 0..12 {
        script.push_str("INSERT INTO parts (id, name, supplier, price, stock, note) VALUES ");
        for row in 0..24 {
            let note = if random.one_in(3) {
                "NULL".to_owned()
            } else {
                format!("'{}'", random.sentence())
            };
            let _ = write!(
                script,
                "{}({}, '{}', '{}', {}.{:02}, {}, {note})",
                if row == 0 { "" } else { ", " },
                batch * 24 + row,
                random.title(),
                random.pick(&["Bolt & Co", "Gears Inc", "O''Hara", "Kovacs"]),
                random.below(200),
                random.below(100),
                random.below(50)
            );
        }
        script.push('\n');
        let _ = writeln!(
            script,
            "SELECT name, price * stock AS worth FROM parts WHERE stock > {} AND (supplier = 'Kovacs' OR price < {}) ORDER BY price",
            random.below(30),
            random.below(100)
        );
        let _ = writeln!(
            script,
            "UPDATE parts SET stock = stock - {}, note = 'reordered' WHERE stock > 40 AND id < {}",
            1 + random.below(9),
            batch * 24
        );
        if batch % 4 == 3 {
            let _ = writeln!(
                script,
                "DELETE FROM parts WHERE stock < 5 OR (price > 150 AND note IS NULL)"
            );
            let _ = writeln!(
                script,
                "SELECT id, supplier, note FROM parts WHERE NOT (note IS NULL) AND price BETWEEN 20 AND 60 ORDER BY id"
            );
        }
    }
    script
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Null,
    Number(f64),
    Text(String),
    Bool(bool),
}

impl Value {
    fn is_true(&self) -> bool {
        *self == Self::Bool(true)
    }

    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => Ordering::Equal,
        }
    }
}

type Row = Vec<Value>;

struct Table {
    columns: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Default)]
struct Database {
    tables: BTreeMap<String, Table>,
}

impl Database {
    /// Runs a statement; a query returns its rows.
    fn run(&mut self, statement: Statement) -> Vec<Row> {
        match statement {
            Statement::CreateTable(create) => {
                let columns = create
                    .columns
                    .into_iter()
                    .map(|column| column.name.value)
                    .collect();
                let table = Table {
                    columns,
                    rows: Vec::new(),
                };
                self.tables.insert(create.name.to_string(), table);
            }
            Statement::Insert(insert) => {
                let TableObject::TableName(name) = &insert.table else {
                    panic!("a table has a name");
                };
                let table = self
                    .tables
                    .get_mut(&name.to_string())
                    .expect("the table exists");
                let Some(SetExpr::Values(values)) = insert.source.map(|query| *query.body) else {
                    panic!("an insert has values");
                };
                for row in values.rows {
                    let row = row
                        .content
                        .iter()
                        .map(|cell| evaluate(cell, &[], &Vec::new()))
                        .collect();
                    table.rows.push(row);
                }
            }
            Statement::Update(update) => {
                let table = self.table(&update.table.relation);
                let Table { columns, rows } = table;
                for row in rows
                    .iter_mut()
                    .filter(|row| is_selected(update.selection.as_ref(), columns, row))
                {
                    for assignment in &update.assignments {
                        let AssignmentTarget::ColumnName(name) = &assignment.target else {
                            panic!("one column is set");
                        };
                        let at = position(columns, &name.to_string());
                        row[at] = evaluate(&assignment.value, columns, row);
                    }
                }
            }
            Statement::Delete(delete) => {
                let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) =
                    &delete.from;
                let Table { columns, rows } = self.table(&from[0].relation);
                rows.retain(|row| !is_selected(delete.selection.as_ref(), columns, row));
            }
            Statement::Query(query) => return self.query(&query),
            other => panic!("not among the statements of the input: {other}"),
        }
        Vec::new()
    }

    fn table(&mut self, factor: &TableFactor) -> &mut Table {
        let TableFactor::Table { name, .. } = factor else {
            panic!("only tables are read");
        };
        self.tables
            .get_mut(&name.to_string())
            .expect("the table exists")
    }

    fn query(&mut self, query: &ast::Query) -> Vec<Row> {
        let SetExpr::Select(select) = &*query.body else {
            panic!("only selects are run");
        };
        let Table { columns, rows } = self.table(&select.from[0].relation);
        let mut found: Vec<&Row> = rows
            .iter()
            .filter(|row| is_selected(select.selection.as_ref(), columns, row))
            .collect();
        if let Some(ast::OrderBy {
            kind: ast::OrderByKind::Expressions(keys),
            ..
        }) = &query.order_by
        {
            let key = |row: &Row| -> Vec<Value> {
                keys.iter()
                    .map(|key| evaluate(&key.expr, columns, row))
                    .collect()
            };
            found.sort_by_cached_key(|row| SortKey(key(row)));
        }
        let project = |row: &&Row| {
            let cell = |item: &SelectItem| match item {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                    evaluate(expr, columns, row)
                }
                other => panic!("not among the columns of the input: {other}"),
            };
            select.projection.iter().map(cell).collect()
        };
        found.iter().map(project).collect()
    }
}

struct SortKey(Vec<Value>);

impl Ord for SortKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let orders = self.0.iter().zip(&other.0).map(|(a, b)| a.order(b));
        orders.fold(Ordering::Equal, Ordering::then)
    }
}

impl PartialOrd for SortKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for SortKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for SortKey {}

fn position(columns: &[String], name: &str) -> usize {
    columns
        .iter()
        .position(|column| column == name)
        .expect("the column exists")
}

fn is_selected(selection: Option<&Expr>, columns: &[String], row: &Row) -> bool {
    selection.is_none_or(|condition| evaluate(condition, columns, row).is_true())
}

fn evaluate(expr: &Expr, columns: &[String], row: &Row) -> Value {
    match expr {
        Expr::Identifier(name) => row[position(columns, &name.value)].clone(),
        Expr::Value(value) => match &value.value {
            ast::Value::Number(digits, _) => Value::Number(digits.parse().expect("a number")),
            ast::Value::SingleQuotedString(text) => Value::Text(text.clone()),
            ast::Value::Null => Value::Null,
            other => panic!("not among the values of the input: {other}"),
        },
        Expr::Nested(inner) => evaluate(inner, columns, row),
        Expr::IsNull(inner) => Value::Bool(evaluate(inner, columns, row) == Value::Null),
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr,
        } => Value::Bool(!evaluate(expr, columns, row).is_true()),
        Expr::Between {
            expr, low, high, ..
        } => {
            let [value, low, high] = [expr, low, high].map(|expr| evaluate(expr, columns, row));
            Value::Bool(value.order(&low).is_ge() && value.order(&high).is_le())
        }
        Expr::BinaryOp { left, op, right } => {
            let left = evaluate(left, columns, row);
            let right = evaluate(right, columns, row);
            match (op, &left, &right) {
                (BinaryOperator::And, _, _) => Value::Bool(left.is_true() && right.is_true()),
                (BinaryOperator::Or, _, _) => Value::Bool(left.is_true() || right.is_true()),
                (BinaryOperator::Multiply, Value::Number(a), Value::Number(b)) => {
                    Value::Number(a * b)
                }
                (BinaryOperator::Minus, Value::Number(a), Value::Number(b)) => Value::Number(a - b),
                (BinaryOperator::Eq, _, _) => Value::Bool(left == right),
                (BinaryOperator::Lt, _, _) => Value::Bool(left.order(&right).is_lt()),
                (BinaryOperator::Gt, _, _) => Value::Bool(left.order(&right).is_gt()),
                _ => panic!("not among the operations of the input: {expr}"),
            }
        }
        other => panic!("not among the expressions of the input: {other}"),
    }
}

fn run(script: &str) -> usize {
    let mut database = Database::default();
    let mut found = 0;
    for line in script.lines() {
        let statements = Parser::parse_sql(&GenericDialect {}, line).expect("the input is SQL");
        for statement in statements {
            // A log keeps the statement as it was understood.
            let log = statement.to_string();
            let rows = database.run(statement);
            found += log.len() + rows.iter().map(Vec::len).sum::<usize>();
        }
    }
    found
}
