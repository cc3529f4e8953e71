//! The control plane: one thread beside the shards for everything that is not relaying.
//!
//! Owns HTTP beside the upgrade: keep-alive, routes, answers, and who may stay. It takes sockets over from the shards and
//! gives those back that ask for a WebSocket after all, asks shards through their inboxes with a deadline, and waits for
//! the world. Promises that no shard ever waits for it, and that what it holds is bounded in connections, bytes and time.
//! Only here and in `storage` is tokio known. Must never touch a player's socket.

mod access;
mod admin;
mod caller;
mod collector;
mod connection;
mod crowds;
mod dashboard;
mod desk;
mod feed;
mod gate;
mod operator;
mod operator_line;
mod outbound;
mod places;
mod routes;
mod sessions;
mod shards;
mod standstill;
mod stream;
mod webhooks;
mod work_window;

use std::cell::RefCell;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{sleep, timeout};

pub use self::access::{ANSWER_BYTES, AccessAnswer, AccessCheck, CheckFault, CheckFuture, HttpCheck, LiveCheck, TURNS};
use self::access::{Backend, Silence};
pub use self::admin::{AdminParts, AdminToken};
use self::collector::Collector;
use self::connection::{Door, Visit};
use self::dashboard::Dashboard;
use self::desk::{Asked, Line};
pub use self::desk::{Desk, LINE_LENGTH};
pub use self::feed::{Feed, RoomEventQueue, RoomEvents, room_event_queue};
use self::gate::Rules;
use self::operator::Operator;
pub use self::operator::{MAX_ROOMS, RoomList};
pub use self::operator_line::{OperatorLine, Refused};
use self::operator_line::{Wishes, operator_line};
pub use self::outbound::{Answer, Destination, Outbound, PostError, TrustError};
use self::places::{PlaceLimits, Places};
use self::routes::{Known, Scope, routes};
use self::sessions::Sessions;
use self::shards::Shards;
pub use self::shards::Silent;
use self::stream::ClientStream;
pub use self::webhooks::{AgreedTerms, LiveTerms, WebhookParts, WebhookTerms};
use self::work_window::WorkWindow;
use crate::metrics::{DashboardSettings, WebhookCounts};
use crate::net::http::{Doors, Site};
use crate::net::tls::Greeter;
use crate::net::{Clock, Peers};
use crate::shard::{ShardId, SourceRule};

/// The name of the control plane's thread.
const THREAD_NAME: &str = "control";

/// Threads that wait for what cannot be waited for otherwise: look-ups of names, files. A look-up outlives the question that it is
/// for, so without a bound a name server that is silent would be given hundreds.
const MAX_BLOCKING_THREADS: usize = 16;

/// Connections of one source that the control plane serves at a time.
const CONNECTIONS_PER_SOURCE: usize = 16;

/// How long answers may still take when the shards are gone. Whoever is only silent is waited for as well: a request of
/// theirs may be on its way.
const LAST_ANSWERS: Duration = Duration::from_millis(250);

/// How often it is looked whether lines of the log were left out and for how long.
const LEFT_OUT_EVERY: Duration = Duration::from_secs(5);

/// What the control plane is made of.
#[derive(Debug)]
pub struct PlaneParts {
    /// What is known wherever requests are answered.
    pub site: Arc<Site>,
    /// How to reach the shards.
    pub peers: Peers,
    /// Connections that it serves at a time.
    pub max_connections: usize,
    /// Which addresses are one source, and which count only in all.
    pub sources: SourceRule,
    /// A door for operators alone, and under which names it is asked; without one, their routes are where the players' are.
    pub operators: Option<(TcpListener, Doors)>,
    /// Begins the handshakes of that door; `None`: nothing is spoken below HTTP.
    pub greeter: Option<Greeter>,
    /// How the snapshot behind `/metrics` is kept.
    pub dashboard: DashboardSettings,
    /// What the operator calls the place where the server is.
    pub region: String,
    /// Who is asked whether clients may play.
    pub check: LiveCheck,
    /// Whom the live page is for.
    pub admin: AdminParts,
    /// The process's clocks.
    pub clock: Clock,
    /// What takes what happens to rooms; `None`: nobody.
    pub feed: Option<Feed>,
    /// What is counted of webhooks.
    pub webhooks: Arc<WebhookCounts>,
    /// Makes the thread fit for its work, before anything else runs on it.
    pub prepare_thread: fn(),
}

/// A running control plane. Dropping it does not stop it.
#[derive(Debug)]
pub struct ControlPlane {
    desk: Desk,
    operator: OperatorLine,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl ControlPlane {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// When the system has no thread, no descriptor or no memory for it.
    pub fn start(parts: PlaneParts) -> io::Result<Self> {
        let (desk, line, questions) = desk::lines(parts.sources);
        let silence = desk.silence();
        let (operator, wishes) = operator_line();
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(MAX_BLOCKING_THREADS)
            .build()?;
        let thread = std::thread::Builder::new()
            .name(THREAD_NAME.to_owned())
            .spawn(move || {
                (parts.prepare_thread)();
                LocalSet::new().block_on(&runtime, serve(parts, line, (wishes, questions, silence), stopped));
                // A name that is still being looked up, or a disk, holds up no stop.
                runtime.shutdown_timeout(LAST_ANSWERS);
            })?;
        Ok(Self {
            desk,
            operator,
            stop,
            thread,
        })
    }

    /// Where shards bring their guests.
    #[must_use]
    pub fn desk(&self) -> Desk {
        self.desk.clone()
    }

    /// How a program asks it for what an operator may know and do.
    #[must_use]
    pub fn operator(&self) -> OperatorLine {
        self.operator.clone()
    }

    /// Ends it, when the shards are gone. Whoever has asked by then still has a moment for the answer.
    pub fn stop(self) {
        let Self {
            desk,
            operator: _,
            stop,
            thread,
        } = self;
        drop(desk);
        // It may have ended by itself, with a panic that was printed.
        let _ = stop.send(());
        let _ = thread.join();
    }
}

async fn serve(
    mut parts: PlaneParts,
    line: Line,
    (wishes, questions, silence): (Wishes, mpsc::Receiver<Asked>, Arc<Silence>),
    stopped: oneshot::Receiver<()>,
) {
    let shards = Arc::new(Shards::new(Arc::clone(&parts.peers)));
    let known = Arc::new(Known {
        site: Arc::clone(&parts.site),
        collector: Arc::new(Collector::new(Arc::clone(&shards))),
        dashboard: Dashboard::new(parts.dashboard),
        sessions: Sessions::new(Arc::clone(&shards)),
        work: WorkWindow::new(Arc::clone(&parts.site.world), parts.clock),
        region: parts.region.clone(),
        shards,
        acceptor: parts.greeter.as_ref().map(|greeter| Arc::clone(greeter.acceptor())),
        clock: parts.clock,
        webhooks: Arc::clone(&parts.webhooks),
    });
    let (end_feed, feed_ends) = oneshot::channel();
    let feeding = parts.feed.take().map(|feed| spawn_local(feed.run(feed_ends)));
    let places = Places::new(PlaceLimits {
        connections: parts.max_connections,
        per_source: CONNECTIONS_PER_SOURCE,
        sources: parts.sources,
    });
    let scope = if parts.operators.is_some() {
        Scope::Players
    } else {
        Scope::Everything
    };
    let admin = admin::routes(&known, parts.admin);
    let (open, mut all_closed) = mpsc::channel(1);
    let door = |scope, doors| {
        Rc::new(Door {
            routes: match scope {
                Scope::Players => routes(&known, scope),
                Scope::Everything | Scope::Operators => routes(&known, scope).merge(admin.clone()),
            },
            rules: Rc::new(Rules {
                site: Arc::clone(&parts.site),
                doors,
                lead_to_shards: scope != Scope::Operators,
                clock: parts.clock,
                access: RefCell::new(parts.site.world.access.newest()),
            }),
            shards: Arc::clone(&parts.peers),
            places: places.clone(),
            _open: open.clone(),
        })
    };
    spawn_local(receive(line, door(scope, None)));
    let operator = Operator::new(Arc::clone(&parts.site.world), Arc::clone(&known.shards));
    let granting = spawn_local(wishes.grant(Arc::clone(&known), operator));
    let names = parts.site.world.settings.handshake.name_rules.clone();
    let backend = Backend::new(
        parts.check,
        Arc::clone(&parts.peers),
        names,
        parts.sources,
        silence,
        parts.clock,
    );
    spawn_local(backend.serve(questions));
    let watching = spawn_local(refresh(Arc::clone(&known), parts.clock));
    let watching_work = spawn_local(watch_work(Arc::clone(&known)));
    let telling = spawn_local(tell_what_was_left_out(Arc::clone(&parts.site), parts.clock));
    let accepting = parts
        .operators
        .map(|(listener, doors)| spawn_local(accept(listener, door(Scope::Operators, Some(doors)), parts.greeter)));
    // It fails when nobody is left to say it.
    let _ = stopped.await;
    if let Some(accepting) = accepting {
        accepting.abort();
    }
    granting.abort();
    telling.abort();
    watching.abort();
    watching_work.abort();
    drop(open);
    // It fails when there is none.
    let _ = end_feed.send(());
    // The line ends with the shards, and each door with the last whom it serves.
    let _ = timeout(LAST_ANSWERS, all_closed.recv()).await;
    if let Some(feeding) = feeding {
        // It bounds its end itself.
        let _ = feeding.await;
    }
}

/// Sees to it that refusals of which no line is written any more are told by their number.
async fn tell_what_was_left_out(site: Arc<Site>, mut clock: Clock) {
    loop {
        sleep(LEFT_OUT_EVERY).await;
        let now = clock.now(clock.moment());
        site.world.refusals.tell_what_was_left_out(now.mono_ms);
    }
}

/// Makes the snapshot of the rooms behind `/metrics` now and then.
async fn refresh(known: Arc<Known>, clock: Clock) {
    known.dashboard.refresh(Arc::clone(&known.collector), clock).await;
}

/// Keeps in mind what the shards have done of late.
async fn watch_work(known: Arc<Known>) {
    known.work.watch().await;
}

/// Serves those whom the shards bring.
async fn receive(mut line: Line, door: Rc<Door>) {
    while let Some(guest) = line.next().await {
        match Visit::of(guest) {
            Ok(visit) => {
                spawn_local(Rc::clone(&door).serve(visit));
            }
            Err(error) => tracing::debug!(%error, "a request was dropped because its socket cannot be watched"),
        }
    }
}

/// Serves those who come to a door of their own.
async fn accept(listener: TcpListener, door: Rc<Door>, mut greeter: Option<Greeter>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the control plane's address cannot be watched"),
    };
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let Ok(handshake) = greeter.as_mut().map(Greeter::greet).transpose() else {
                    continue; // without randomness nothing can be said to it
                };
                let address = door.rules.site.proxies.peer(peer.ip());
                if door.rules.access().keeps_out(address) {
                    door.rules.site.note_blocked(address, door.rules.now());
                    continue;
                }
                let visit = Visit {
                    stream: ClientStream::plain(tuned(stream)),
                    address,
                    client: address,
                    fingerprint: None,
                    handshake,
                    received: bytes::Bytes::new(),
                    shard: ShardId(0),
                };
                spawn_local(Rc::clone(&door).serve(visit));
            }
            // Out of descriptors, most likely: asking again at once would spin.
            Err(error) => {
                tracing::debug!(%error, "the control plane cannot accept");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

fn tuned(stream: TcpStream) -> TcpStream {
    // Without it an answer may wait for an acknowledgement; it is still right.
    let _ = stream.set_nodelay(true);
    stream
}
