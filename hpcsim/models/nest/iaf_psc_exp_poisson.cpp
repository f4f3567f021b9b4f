// A leaky integrate-and-fire neuron with exponential synaptic currents, NEST's iaf_psc_exp, that draws its own Poisson input.
//
// Its membrane is integrated exactly, step for step as iaf_psc_exp does it. What makes it cheaper: no event is sent for the input,
// a count takes one random number and a look into a table, and a step of its input buffer takes four bytes where both synaptic
// time constants are equal (iaf_psc_exp: 32), so that spikes find the buffers of a network in the processor's cache.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "dict_util.h"
#include "event.h"
#include "event_delivery_manager_impl.h"
#include "kernel_manager.h"
#include "nest_extension_interface.h"
#include "nest_time.h"
#include "node.h"
#include "random_generators.h"

namespace hpcsim
{

// Counts of a Poisson distribution by inversion: the smallest k whose cumulative probability is above 64 random bits.
class PoissonTable
{
public:
  explicit PoissonTable( const double mean )
  {
    const long last = static_cast< long >( mean + 12.0 * std::sqrt( mean ) + 40.0 );
    long double cumulative = 0.0L;
    for ( long k = 0; k < last; ++k )
    {
      cumulative += mean > 0.0 ? std::exp( k * std::log( ( long double ) mean ) - mean - std::lgamma( k + 1.0L ) ) : k == 0;
      const long double scaled = std::ldexp( cumulative, 64 );
      limits_.push_back( scaled < 0x1p64L ? static_cast< std::uint64_t >( scaled ) : ALL );
    }
    limits_.push_back( ALL );
    for ( std::uint64_t first = 0; first < SIZE; ++first )
    {
      const auto above = std::upper_bound( limits_.begin(), limits_.end() - 1, first << SHIFT );
      start_.push_back( static_cast< std::uint32_t >( above - limits_.begin() ) );
    }
  }

  std::uint32_t
  operator()( const std::uint64_t bits ) const
  {
    std::uint32_t k = start_[ bits >> SHIFT ];
    while ( bits >= limits_[ k ] and limits_[ k ] != ALL )
    {
      ++k;
    }
    return k;
  }

  // One table for all neurons with the same mean.
  static std::shared_ptr< const PoissonTable >
  of( const double mean )
  {
    static std::mutex mutex;
    static std::map< double, std::weak_ptr< const PoissonTable > > known;
    const std::lock_guard< std::mutex > lock( mutex );
    auto table = known[ mean ].lock();
    if ( not table )
    {
      table = std::make_shared< const PoissonTable >( mean );
      known[ mean ] = table;
    }
    return table;
  }

private:
  static constexpr std::uint64_t ALL = std::numeric_limits< std::uint64_t >::max();
  static constexpr int SHIFT = 54;
  static constexpr std::uint64_t SIZE = std::uint64_t( 1 ) << ( 64 - SHIFT );
  std::vector< std::uint64_t > limits_;
  std::vector< std::uint32_t > start_;
};

// xoshiro256++ of Blackman and Vigna (2021), doi:10.1145/3460772; each neuron has its own, begun with numbers of NEST's.
class Stream
{
public:
  void
  seed( nest::RngPtr numbers )
  {
    for ( auto& word : state_ )
    {
      // an integer below 2^32 twice: all bits are random
      word = ( numbers->ulrand( std::uint64_t( 1 ) << 32 ) << 32 ) | numbers->ulrand( std::uint64_t( 1 ) << 32 );
    }
  }

  std::uint64_t
  next()
  {
    const std::uint64_t result = rotated( state_[ 0 ] + state_[ 3 ], 23 ) + state_[ 0 ];
    const std::uint64_t shifted = state_[ 1 ] << 17;
    state_[ 2 ] ^= state_[ 0 ];
    state_[ 3 ] ^= state_[ 1 ];
    state_[ 1 ] ^= state_[ 2 ];
    state_[ 0 ] ^= state_[ 3 ];
    state_[ 2 ] ^= shifted;
    state_[ 3 ] = rotated( state_[ 3 ], 45 );
    return result;
  }

private:
  static std::uint64_t
  rotated( const std::uint64_t word, const int by )
  {
    return ( word << by ) | ( word >> ( 64 - by ) );
  }

  std::uint64_t state_[ 4 ] = { 1, 2, 3, 4 };
};

struct Parameters
{
  double tau_m = 10.0;         // ms
  double C_m = 250.0;          // pF
  double t_ref = 2.0;          // ms
  double E_L = -70.0;          // mV
  double V_th = -55.0;         // mV
  double V_reset = -70.0;      // mV
  double tau_syn_ex = 2.0;     // ms
  double tau_syn_in = 2.0;     // ms
  double poisson_rate = 0.0;   // 1/s
  double poisson_weight = 0.0; // pA
  double poisson_delay = 1.0;  // ms

  template < class Visit >
  void
  each( Visit visit )
  {
    visit( "tau_m", tau_m );
    visit( "C_m", C_m );
    visit( "t_ref", t_ref );
    visit( "E_L", E_L );
    visit( "V_th", V_th );
    visit( "V_reset", V_reset );
    visit( "tau_syn_ex", tau_syn_ex );
    visit( "tau_syn_in", tau_syn_in );
    visit( "poisson_rate", poisson_rate );
    visit( "poisson_weight", poisson_weight );
    visit( "poisson_delay", poisson_delay );
  }
};

class iaf_psc_exp_poisson : public nest::Node
{
public:
  iaf_psc_exp_poisson() = default;
  iaf_psc_exp_poisson( const iaf_psc_exp_poisson& ) = default;

  using nest::Node::handle;
  using nest::Node::handles_test_event;

  size_t
  send_test_event( nest::Node& target, size_t receptor, nest::synindex, bool ) override
  {
    nest::SpikeEvent event;
    event.set_sender( *this );
    return target.handles_test_event( event, receptor );
  }

  size_t
  handles_test_event( nest::SpikeEvent&, size_t receptor ) override
  {
    if ( receptor != 0 )
    {
      throw nest::UnknownReceptorType( receptor, get_name() );
    }
    return 0;
  }

  void
  handle( nest::SpikeEvent& event ) override
  {
    const long arrives = event.get_rel_delivery_steps( nest::kernel().simulation_manager.get_slice_origin() );
    const float current = static_cast< float >( event.get_weight() * event.get_multiplicity() );
    const size_t slot = nest::kernel().event_delivery_manager.get_modulo( arrives );
    arriving_[ slot * channels_ + ( channels_ == 2 and current <= 0.0f ) ] += current;
  }

  void
  get_status( Dictionary& status ) const override
  {
    Parameters shown = parameters_;
    shown.each( [ & ]( const char* name, double& value ) { status[ name ] = value; } );
    status[ "V_m" ] = V_m_;
  }

  void
  set_status( const Dictionary& status ) override
  {
    Parameters wanted = parameters_;
    wanted.each( [ & ]( const char* name, double& value ) { nest::update_value_param( status, name, value, this ); } );
    if ( wanted.V_reset >= wanted.V_th )
    {
      throw nest::BadProperty( "V_reset must be less than V_th" );
    }
    if ( wanted.C_m <= 0 or wanted.tau_m <= 0 or wanted.tau_syn_ex <= 0 or wanted.tau_syn_in <= 0 )
    {
      throw nest::BadProperty( "capacitance and time constants must be above zero" );
    }
    if ( wanted.t_ref < 0 or wanted.poisson_rate < 0 or wanted.poisson_delay < 0 )
    {
      throw nest::BadProperty( "t_ref, poisson_rate and poisson_delay may not be negative" );
    }
    nest::update_value_param( status, "V_m", V_m_, this );
    parameters_ = wanted;
  }

private:
  void
  init_buffers_() override
  {
    stream_.seed( nest::get_vp_specific_rng( get_thread() ) );
    arriving_.clear();
  }

  void
  pre_run_hook() override
  {
    const Parameters& p = parameters_;
    const double h = nest::Time::get_resolution().get_ms();
    decay_m_ = std::exp( -h / p.tau_m );
    decay_ex_ = std::exp( -h / p.tau_syn_ex );
    decay_in_ = std::exp( -h / p.tau_syn_in );
    onto_ex_ = propagator( p.tau_syn_ex, h );
    onto_in_ = propagator( p.tau_syn_in, h );
    refractory_ = nest::Time( nest::Time::ms( p.t_ref ) ).get_steps();
    silent_until_ = nest::Time( nest::Time::ms( p.poisson_delay ) ).get_steps();
    counts_ = PoissonTable::of( p.poisson_rate * h * 1e-3 );
    // currents with one time constant are one current
    channels_ = p.tau_syn_ex == p.tau_syn_in ? 1 : 2;
    const auto& connections = nest::kernel().connection_manager;
    arriving_.resize( channels_ * ( connections.get_min_delay() + connections.get_max_delay() ), 0.0f );
  }

  // What a synaptic current of 1 pA adds to the membrane potential in one step; both time constants may be equal.
  double
  propagator( const double tau_syn, const double h ) const
  {
    const double tau_m = parameters_.tau_m;
    const double rate = 1.0 / tau_syn - 1.0 / tau_m;
    const double x = rate * h;
    const double integral = std::abs( x ) < 1e-9 ? h : -std::expm1( -x ) / rate;
    return std::exp( -h / tau_m ) * integral / parameters_.C_m;
  }

  void
  update( const nest::Time& origin, const long from, const long to ) override
  {
    const PoissonTable& counts = *counts_;
    const double threshold = parameters_.V_th - parameters_.E_L;
    double V = V_m_ - parameters_.E_L, I_ex = I_ex_, I_in = I_in_;
    for ( long lag = from; lag < to; ++lag )
    {
      if ( waiting_ == 0 )
      {
        V = V * decay_m_ + I_ex * onto_ex_ + I_in * onto_in_;
      }
      else
      {
        --waiting_;
      }
      I_ex *= decay_ex_;
      I_in *= decay_in_;
      const size_t slot = nest::kernel().event_delivery_manager.get_modulo( lag ) * channels_;
      I_ex += arriving_[ slot ];
      arriving_[ slot ] = 0.0f;
      if ( channels_ == 2 )
      {
        I_in += arriving_[ slot + 1 ];
        arriving_[ slot + 1 ] = 0.0f;
      }
      const std::uint32_t count = counts( stream_.next() );
      if ( origin.get_steps() + lag >= silent_until_ )
      {
        I_ex += count * parameters_.poisson_weight;
      }
      if ( V >= threshold )
      {
        waiting_ = refractory_;
        V = parameters_.V_reset - parameters_.E_L;
        nest::SpikeEvent event;
        nest::kernel().event_delivery_manager.send( *this, event, lag );
      }
    }
    V_m_ = V + parameters_.E_L;
    I_ex_ = I_ex;
    I_in_ = I_in;
  }

  // what a step reads comes first, so that it lies together
  double V_m_ = -70.0, I_ex_ = 0.0, I_in_ = 0.0;
  long waiting_ = 0;
  size_t channels_ = 2;
  std::vector< float > arriving_;
  Stream stream_;
  std::shared_ptr< const PoissonTable > counts_;
  double decay_m_ = 0.0, decay_ex_ = 0.0, decay_in_ = 0.0, onto_ex_ = 0.0, onto_in_ = 0.0;
  long refractory_ = 0, silent_until_ = 0;
  Parameters parameters_;
};

class Module : public nest::NESTExtensionInterface
{
  void
  initialize() override
  {
    nest::kernel().model_manager.register_node_model< iaf_psc_exp_poisson >( "iaf_psc_exp_poisson" );
  }
};

}

extern "C" hpcsim::Module hpcsim_iaf_psc_exp_poisson_module_LTX_module;
hpcsim::Module hpcsim_iaf_psc_exp_poisson_module_LTX_module;
