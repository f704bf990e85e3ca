//! A wanted status as the API has it, and what changed against the one that is there.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use penstock_crds::status::ObjectStatus;

use super::decide::{Wanted, WantedCondition};
use super::health::ObjectHealth;

/// Whether the status says all this already, times of conditions aside.
pub fn says(current: Option<&ObjectStatus>, health: Option<&ObjectHealth>, wanted: &Wanted) -> bool {
    if health != wanted.health.as_ref() {
        return false;
    }
    // The time is that of the condition that is there, so it cannot make a difference.
    let Some(current) = current else { return false };
    let mut rendered = render(Some(current), wanted, Timestamp::UNIX_EPOCH);
    let mut current = current.clone();
    rendered.conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
    current.conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
    for (rendered, current) in rendered.conditions.iter_mut().zip(&current.conditions) {
        rendered.last_transition_time = current.last_transition_time.clone();
    }
    rendered == current
}

/// The status to write. A condition keeps its transition time while its status stays the same.
pub fn render(current: Option<&ObjectStatus>, wanted: &Wanted, now: Timestamp) -> ObjectStatus {
    let Wanted { generation, summary, conditions, proxies, last_proxy_error, warnings, health: _ } = wanted;
    let render = |wanted: &WantedCondition| {
        let WantedCondition { r#type, status, reason, message } = wanted;
        let unchanged = find(current, r#type).filter(|there| there.status == *status);
        Condition {
            type_: (*r#type).into(),
            status: (*status).into(),
            reason: (*reason).into(),
            message: message.clone(),
            observed_generation: Some(*generation),
            last_transition_time: unchanged.map_or(Time(now), |there| there.last_transition_time.clone()),
        }
    };
    ObjectStatus {
        observed_generation: Some(*generation),
        summary: summary.clone(),
        conditions: conditions.iter().map(render).collect(),
        proxies: proxies.clone(),
        last_proxy_error: last_proxy_error.clone(),
        warnings: warnings.clone(),
    }
}

/// The conditions whose status or reason differs from what is there.
pub fn changes<'a>(current: Option<&ObjectStatus>, wanted: &'a Wanted) -> Vec<&'a WantedCondition> {
    let same = |wanted: &&WantedCondition| {
        find(current, wanted.r#type)
            .is_some_and(|there| there.status == wanted.status && there.reason == wanted.reason)
    };
    wanted.conditions.iter().filter(|condition| !same(condition)).collect()
}

fn find<'a>(current: Option<&'a ObjectStatus>, r#type: &str) -> Option<&'a Condition> {
    current?.conditions.iter().find(|condition| condition.type_ == r#type)
}

#[cfg(test)]
mod tests {
    use super::*;
    use penstock_crds::status::RouteHealth;

    fn wanted(status: &'static str, message: &str) -> Wanted {
        let condition =
            |r#type| WantedCondition { r#type, status, reason: "Because", message: message.into() };
        Wanted {
            generation: 2,
            summary: Some("m".into()),
            conditions: [condition("Accepted"), condition("ResolvedRefs"), condition("Programmed")],
            proxies: Some("1/1".into()),
            last_proxy_error: None,
            warnings: vec![],
            health: None,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_transition_time_moves_with_the_status_only() {
        let first = render(None, &wanted("True", "a"), at(1));
        let second = render(Some(&first), &wanted("True", "b"), at(2));
        assert_eq!(second.conditions[0].last_transition_time, Time(at(1)));
        assert_eq!(second.conditions[0].message, "b");
        let third = render(Some(&second), &wanted("False", "b"), at(3));
        assert_eq!(third.conditions[0].last_transition_time, Time(at(3)));
    }

    #[test]
    fn what_differs_in_time_or_order_only_is_not_written_again() {
        let mut there = render(None, &wanted("True", "a"), at(1));
        there.conditions.reverse();
        let says = |there: Option<&ObjectStatus>, wanted: &Wanted| says(there, None, wanted);
        assert!(says(Some(&there), &wanted("True", "a")));
        assert!(!says(Some(&there), &wanted("True", "b")));
        assert!(!says(None, &wanted("True", "a")));
        there.conditions.pop();
        assert!(!says(Some(&there), &wanted("True", "a")));
    }

    #[test]
    fn warnings_and_health_are_part_of_what_is_said() {
        let there = render(None, &wanted("True", "a"), at(1));
        let warned = Wanted { warnings: vec!["spec.x: odd".into()], ..wanted("True", "a") };
        assert!(!says(Some(&there), None, &warned));
        let there = render(Some(&there), &warned, at(2));
        assert_eq!(there.warnings, ["spec.x: odd"]);
        assert!(says(Some(&there), None, &warned));
        assert!(!says(Some(&there), None, &wanted("True", "a")));

        let health = ObjectHealth::Route(RouteHealth::default());
        let with_health = Wanted { health: Some(health.clone()), ..warned };
        assert!(!says(Some(&there), None, &with_health) && says(Some(&there), Some(&health), &with_health));
    }

    #[test]
    fn a_change_of_message_alone_is_no_event() {
        let there = render(None, &wanted("True", "a"), at(1));
        assert_eq!(changes(Some(&there), &wanted("True", "b")), Vec::<&WantedCondition>::new());
        assert_eq!(changes(Some(&there), &wanted("False", "a")).len(), 3);
        assert_eq!(changes(None, &wanted("True", "a")).len(), 3);
    }
}
